"""Transcripts as SentencePiece pieces (RepCodec, appendix B.2).

What is done to a text before it is cut into pieces is said by :class:`Normalization`, and kept
beside the pieces; SentencePiece's own hidden rules are off. So the very same is done in training,
in decoding and to the references of a score.

=================  ============================================================================
``pieces.model``   SentencePiece's own file
``pieces.json``    normalisation, size, checksum of the model; written last
=================  ============================================================================
"""

import hashlib
import io
import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece

from codec_ssl.data.tables import write_atomic
from codec_ssl.errors import ConfigError, DataError
from codec_ssl.tokens.files import canonical, text_digest, write_file

MODEL_NAME, META_NAME = "pieces.model", "pieces.json"
STAGE = "pieces"
UNKNOWN, END = 0, 1
_COUNTED_AT_ONCE = 10_000
MODEL_TYPES = ("unigram", "bpe", "char")
CASES = ("keep", "lower", "upper")
UNICODE_FORMS = ("NFKC", "NFC", "none")


@dataclass(frozen=True)
class Normalization:
    """What is done to a transcript; runs of white space always become one blank.

    Attributes:
        unicode: ``NFKC`` (also unites full-width letters, ligatures, ...), ``NFC`` or ``none``.
        case: ``keep``, ``lower`` or ``upper``.
        remove: Characters to leave out, such as ``.,?!``.

    Raises:
        ConfigError: If a value is none of these.
    """

    unicode: str = "NFKC"
    case: str = "keep"
    remove: str = ""

    def __post_init__(self) -> None:
        for name, value, known in (
            ("unicode", self.unicode, UNICODE_FORMS),
            ("case", self.case, CASES),
        ):
            if value not in known:
                raise ConfigError(
                    f"text normalisation {name}: expected one of {', '.join(known)}, found {value}"
                )

    def __call__(self, text: str) -> str:
        """Normalise one transcript."""
        if self.unicode != "none":
            text = unicodedata.normalize(self.unicode, text)
        if self.case != "keep":
            text = text.lower() if self.case == "lower" else text.upper()
        if self.remove:
            text = text.translate(dict.fromkeys(map(ord, self.remove)))
        return " ".join(text.split())


class Pieces:
    """Turns text into piece ids and back; pickled as its path.

    Args:
        path: Folder from :func:`train_pieces`.

    Attributes:
        path: The folder.
        normalization: What is done to a text first.
        fingerprint: SHA-256 over model and normalisation.

    Raises:
        DataError: If the folder is missing or damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            meta: dict[str, Any] = json.loads((self.path / META_NAME).read_text(encoding="utf-8"))
            model = (self.path / MODEL_NAME).read_bytes()
            self.normalization = Normalization(**meta["normalization"])
            expected = meta["sha256"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{self.path}: expected {MODEL_NAME} and {META_NAME}, found none: {error}", STAGE
            ) from error
        if hashlib.sha256(model).hexdigest() != expected:
            raise DataError(
                f"{self.path / MODEL_NAME}: expected the checksum of {META_NAME}, found another",
                STAGE,
            )
        self.fingerprint = text_digest(canonical([meta["normalization"], expected]))
        self._model = sentencepiece.SentencePieceProcessor(model_proto=model)

    def __reduce__(self) -> tuple[type["Pieces"], tuple[Path]]:
        return type(self), (self.path,)

    def __len__(self) -> int:
        return self._model.vocab_size()

    def __repr__(self) -> str:
        return f"Pieces({str(self.path)!r}: {len(self)} pieces)"

    def encode(self, text: str) -> np.ndarray:
        """Piece ids of a transcript (S,) int64, without the end; empty for an empty one."""
        return np.array(self._model.encode(self.normalization(text)), dtype=np.int64)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Number of pieces of each transcript, all at once."""
        counts: list[int] = []
        for first in range(0, len(texts), _COUNTED_AT_ONCE):
            some = [self.normalization(text) for text in texts[first : first + _COUNTED_AT_ONCE]]
            counts += map(len, self._model.encode(some))
        return counts

    def save(self, path: str | Path) -> None:
        """Write the same pieces into another folder; does nothing if they are there."""
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        if self.path.resolve() != folder.resolve():
            for name in (MODEL_NAME, META_NAME):
                write_file(folder / name, (self.path / name).read_bytes())

    def decode(self, pieces: Sequence[int]) -> str:
        """Normalised text of piece ids; the end is left out."""
        kept = [int(piece) for piece in pieces if piece != END]
        return " ".join(self._model.decode(kept).split())

    def unknown_characters(self, text: str) -> set[str]:
        """Characters of a text that no piece holds."""
        words = self._model.encode(self.normalization(text), out_type="immutable_proto").pieces
        return {character for word in words if word.id == UNKNOWN for character in word.surface}


def train_pieces(
    texts: Iterable[str],
    path: str | Path,
    *,
    vocab_size: int = 5000,
    model_type: str = "unigram",
    normalization: Normalization | None = None,
    symbols: Sequence[str] = (),
    num_threads: int = 4,
) -> Pieces:
    """Train SentencePiece on transcripts; every character of them becomes known.

    Args:
        texts: Transcripts, none of them empty.
        path: Folder to write.
        vocab_size: Number of pieces, with those for unknown characters and for the end. The
            paper: 5000 for English, 10000 for three languages together.
        model_type: ``unigram``, ``bpe`` or ``char``.
        normalization: What to do to each text first; the default keeps case.
        symbols: Pieces of their own that are never cut, such as languages' tokens.
        num_threads: Threads of SentencePiece.

    Raises:
        ConfigError: SentencePiece cannot make so many pieces of these texts.
        DataError: There is no text.
    """
    normalization = normalization or Normalization()
    lines = [normalization(text) for text in texts]
    if not lines:
        raise DataError(f"{path}: expected transcripts to train pieces on, found none", "data")
    if model_type not in MODEL_TYPES:
        raise ConfigError(f"expected one of {', '.join(MODEL_TYPES)}, found {model_type}")
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            vocab_size=vocab_size,
            model_type=model_type,
            character_coverage=1.0,
            normalization_rule_name="identity",
            max_sentence_length=max(len(line.encode()) for line in lines) + 1,
            unk_id=UNKNOWN,
            eos_id=END,
            bos_id=-1,
            pad_id=-1,
            user_defined_symbols=list(symbols),
            num_threads=num_threads,
            minloglevel=1,
        )
    except RuntimeError as error:
        raise ConfigError(
            f"{path}: no {vocab_size} {model_type} pieces from {len(lines)} transcripts: {error}"
        ) from error
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / META_NAME).unlink(missing_ok=True)
    write_file(folder / MODEL_NAME, model.getvalue())
    meta = {
        "vocab_size": vocab_size,
        "model_type": model_type,
        "normalization": asdict(normalization),
        "num_transcripts": len(lines),
        "sha256": hashlib.sha256(model.getvalue()).hexdigest(),
    }
    write_atomic(folder / META_NAME, json.dumps(meta, indent=1, ensure_ascii=False) + "\n")
    return Pieces(folder)
