"""Token lists as ESPnet's ASR task takes them: characters, SentencePiece's BPE, or words.

===============  ==============================================================================
``tokens.txt``   a token a line: ``<blank>``, ``<unk>``, the tokens, ``<sos/eos>``
``symbols.txt``  tokens that are never cut, such as the language ``[eng]``
``bpe/``         SentencePiece's model, of ``train_pieces``; only for BPE
===============  ==============================================================================
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from espnet2.text.char_tokenizer import CharTokenizer
from sentencepiece import SentencePieceProcessor

from codec_ssl.asr.text import MODEL_NAME, Normalization, train_pieces
from codec_ssl.data.tables import write_atomic
from codec_ssl.errors import ConfigError, DataError

BLANK, UNKNOWN, SPACE, END = "<blank>", "<unk>", "<space>", "<sos/eos>"
TOKENS, SYMBOLS, BPE = "tokens.txt", "symbols.txt", "bpe"
CHAR, WORD = "char", "word"
TOKEN_TYPES = (CHAR, BPE, WORD)


def make_vocabulary(
    texts: Iterable[str],
    path: str | Path,
    token_type: str = CHAR,
    size: int = 500,
    symbols: Sequence[str] = (),
) -> list[str]:
    """Write the vocabulary of training transcripts.

    Args:
        texts: Transcripts, normalised.
        path: Folder to write.
        token_type: ``char``, ``bpe`` or ``word``.
        size: Pieces of BPE; of no meaning for the others.
        symbols: Tokens that are never cut.

    Returns:
        The tokens.

    Raises:
        ConfigError: The token type is unknown, or SentencePiece cannot make so many pieces.
        DataError: There is no text.
    """
    if token_type not in TOKEN_TYPES:
        raise ConfigError(f"expected one of {', '.join(TOKEN_TYPES)}, found {token_type}")
    folder, texts = Path(path), list(texts)
    folder.mkdir(parents=True, exist_ok=True)
    if not any(texts):
        raise DataError(f"{path}: expected transcripts for a vocabulary, found none", "data")
    if token_type == BPE:
        tokens = _pieces(texts, folder / BPE, size, symbols)
    else:
        cut = str.split if token_type == WORD else CharTokenizer(symbols).text2tokens
        counts = Counter(token for text in texts for token in cut(text))
        counts.update(dict.fromkeys(symbols, 0))
        tokens = sorted(counts, key=lambda token: (-counts[token], token))
    tokens = [BLANK, UNKNOWN, *tokens, END]
    write_atomic(folder / SYMBOLS, "".join(f"{symbol}\n" for symbol in symbols))
    write_atomic(folder / TOKENS, "".join(f"{token}\n" for token in tokens))
    return tokens


def _pieces(texts: list[str], folder: Path, size: int, symbols: Sequence[str]) -> list[str]:
    plain = Normalization(unicode="none")
    train_pieces(
        texts, folder, vocab_size=size, model_type="bpe", normalization=plain, symbols=symbols
    )
    model = SentencePieceProcessor(model_file=str(folder / MODEL_NAME))
    pieces = map(model.id_to_piece, range(len(model)))
    # ESPnet has these itself.
    return [piece for piece in pieces if piece not in ("<unk>", "</s>")]
