"""Token lists: what ESPnet's tokenizers make of the training texts is all in them."""

import pytest

from codec_ssl.asr.vocabulary import make_vocabulary
from codec_ssl.errors import ConfigError, DataError

TEXTS = ["[eng] three trees", "[deu] drei bäume", "[eng] the sea", "[deu] die see"]
SYMBOLS = ["[deu]", "[eng]"]


@pytest.mark.parametrize("token_type", ["char", "bpe", "word"])
def test_espnet_makes_known_tokens_of_every_training_text_and_the_text_again(tmp_path, token_type):
    from espnet2.text.build_tokenizer import build_tokenizer

    tokens = make_vocabulary(TEXTS, tmp_path, token_type, 30, SYMBOLS)
    assert (tmp_path / "tokens.txt").read_text().split("\n")[:-1] == tokens
    assert tokens[:2] == ["<blank>", "<unk>"] and tokens[-1] == "<sos/eos>"
    assert len(set(tokens)) == len(tokens) and {*SYMBOLS} <= {*tokens}
    symbols = (tmp_path / "symbols.txt").read_text().split()
    model = str(tmp_path / "bpe/pieces.model") if token_type == "bpe" else None
    tokenizer = build_tokenizer(token_type, bpemodel=model, non_linguistic_symbols=symbols)
    for text in TEXTS:
        cut = tokenizer.text2tokens(text)
        assert {*cut} <= {*tokens}
        assert text.split()[0] in cut
        assert " ".join(tokenizer.tokens2text(cut).split()) == text
    if token_type == "bpe":
        assert len(tokens) == 30 + 1  # ESPnet's blank; its end stands for SentencePiece's


def test_frequent_tokens_come_first_and_ties_do_not_depend_on_the_order(tmp_path):
    one = make_vocabulary(TEXTS, tmp_path / "a", "char")
    assert one == make_vocabulary(TEXTS[::-1], tmp_path / "b", "char")
    assert one[2] == "e"


def test_nothing_to_read_and_unknown_types_are_refused(tmp_path):
    with pytest.raises(DataError, match="expected transcripts for a vocabulary"):
        make_vocabulary([], tmp_path)
    with pytest.raises(ConfigError, match="expected one of char, bpe, word"):
        make_vocabulary(["a"], tmp_path, "phone")
    with pytest.raises(ConfigError, match="no 300 bpe pieces"):
        make_vocabulary(["abc"], tmp_path, "bpe", 300)
