"""Data of an ASR training: speech and transcripts, checked, recorded, and measured for batches."""

import argparse
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from codec_ssl.asr.speech import CODES, FEATURES, Speech, check_frames, check_speech, record_speech
from codec_ssl.asr.text import Pieces
from codec_ssl.asr.transcripts import read_transcripts
from codec_ssl.errors import CheckpointError, ConfigError, DataError
from codec_ssl.features.cache import FeatureCache
from codec_ssl.tokens import contract
from codec_ssl.tokens.files import canonical, text_digest
from codec_ssl.tokens.store import TokenStore
from codec_ssl.train import data_type
from codec_ssl.train.checkpoint import read_config
from codec_ssl.train.lengths import utterances_of

SPLITS = ("train", "valid")
_KINDS = {
    (CODES, data_type.NAME): TokenStore,
    (FEATURES, data_type.FEATURES): FeatureCache,
}

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ASRSet:
    """Training or validation set.

    Attributes:
        speech: Units or features.
        text: Transcripts of the utterances that are used, as they stand in the file.
        pieces: What they are cut into.
    """

    speech: Speech
    text: Mapping[str, str]
    pieces: Pieces

    @cached_property
    def frames(self) -> dict[str, int]:
        """Frames of each utterance that is used."""
        every = dict(zip(self.speech.utt_ids, self.speech.lengths.tolist(), strict=True))
        return {utt: every[utt] for utt in self.text}

    @cached_property
    def lengths(self) -> dict[str, int]:
        """Places in the joint sequence: frames, ``<|transcribe|>`` and pieces."""
        counts = self.pieces.count(list(self.text.values()))
        pairs = zip(self.frames.items(), counts, strict=True)
        return {utt: frames + 1 + count for (utt, frames), count in pairs}

    def record(self) -> dict[str, Any]:
        """What ``config.yaml`` keeps: the speech, and which transcripts."""
        content = text_digest(canonical(list(self.text.items())))
        return record_speech(self.speech) | {"text": {"count": len(self.text), "content": content}}


class TextToPieces:
    """Preprocessing of ESPnet's data set: cuts ``text`` into pieces.

    Args:
        pieces: The pieces.
    """

    def __init__(self, pieces: Pieces) -> None:
        self.pieces = pieces

    def __call__(self, utt_id: str, data: Mapping[str, Any]) -> dict[str, Any]:
        """Replace the transcript by its pieces ``(S,)``."""
        return {**data, "text": self.pieces.encode(data["text"])}


def open_pieces(args: argparse.Namespace) -> Pieces:
    """The pieces of ``--pieces``.

    Raises:
        ConfigError: None were named.
    """
    if args.pieces is None:
        raise ConfigError("expected --pieces DIR, a folder of train_sentencepiece", stage="pieces")
    return Pieces(args.pieces)


def open_split(args: argparse.Namespace, split: str) -> ASRSet:
    """Open what ``--<split>_data_path_and_name_and_type`` names.

    It is ``STORE,codes,token_store`` or ``CACHE,features,feature_cache``, and
    ``FILE,text,transcripts``. The first column of ``--<split>_shape_file``, if there is one, says
    which utterances are used.

    Raises:
        ConfigError: If it is something else.
        CodecSSLError: If data cannot be opened, or an utterance has no transcript.
    """
    entries = getattr(args, f"{split}_data_path_and_name_and_type")
    paths = {(name, kind): path for path, name, kind in entries}
    text = paths.pop(("text", data_type.TRANSCRIPTS), None)
    if text is None or len(entries) != 2 or not paths.keys() <= _KINDS.keys():
        wanted = " or ".join(f"DIR,{name},{kind}" for name, kind in _KINDS)
        raise ConfigError(
            f"{split} data: expected {wanted}, and FILE,text,{data_type.TRANSCRIPTS}, found "
            f"{[','.join(entry) for entry in entries]}"
        )
    [(kind, path)] = paths.items()
    speech = _KINDS[kind](path)
    pieces = open_pieces(args)
    shapes = getattr(args, f"{split}_shape_file")
    utt_ids = utterances_of(shapes[0], speech) if shapes else speech.utt_ids
    transcripts = read_transcripts(
        text, pieces.normalization, utt_ids=utt_ids, unusable=args.unusable_text
    )
    return ASRSet(speech, transcripts, pieces)


def check_sets(sets: Mapping[str, ASRSet]) -> None:
    """Check that speech is fit for a training, and of the same making in train and valid.

    Raises:
        CodecSSLError: Naming the stage to rerun.
    """
    train, valid = (sets[split].speech for split in SPLITS)
    if isinstance(train, TokenStore) and isinstance(valid, TokenStore):
        for split, found in sets.items():
            for line in contract.check(found.speech).lines():
                _logger.info("%s %s", split, line)
        contract.check_pair(train, valid)
        return
    for speech in (train, valid):
        check_frames(speech)
    check_speech(valid, record_speech(train), train.path)


def record_sets(sets: Mapping[str, ASRSet]) -> dict[str, Any]:
    """What ``config.yaml`` keeps about the data."""
    pieces = sets["train"].pieces
    told = {"vocab_size": len(pieces), "fingerprint": pieces.fingerprint}
    return {split: found.record() for split, found in sets.items()} | {"pieces": told}


def check_resume(sets: Mapping[str, ASRSet], data_record: Mapping[str, Any], exp_dir: Path) -> None:
    """Refuse to go on with other data than an experiment was started with.

    Raises:
        CheckpointError: Naming what differs.
    """
    before = read_config(exp_dir).get("data_record") or {}
    for what, split in (("pieces", None), ("text", "train"), ("text", "valid")):
        then, now = ((r.get(split) or {} if split else r).get(what) for r in (before, data_record))
        if then != now:
            raise CheckpointError(
                f"{exp_dir}: expected the {split or ''} {what} that it was trained with, {then}, "
                f"found {now}; choose another --output_dir",
                stage="pieces" if what == "pieces" else "data",
            )
    for split, found in sets.items():
        recorded = {key: value for key, value in before[split].items() if key != "text"}
        check_speech(found.speech, recorded, exp_dir, same_data=True)


def usable_lengths(found: ASRSet, split: str, max_length: int | None) -> dict[str, int]:
    """Lengths for the batches; sequences that are too long are left out, and counted in the log.

    Raises:
        DataError: None is left.
    """
    lengths = found.lengths
    kept = {utt: n for utt, n in lengths.items() if max_length is None or n <= max_length}
    if not kept:
        raise DataError(
            f"{found.speech.path}: expected sequences of at most --max_length {max_length}, found "
            f"none: the shortest of {len(lengths)} has {min(lengths.values())}"
        )
    sizes = np.array(list(kept.values()))
    _logger.info(
        "%s: %d utterances, %d frames, %d tokens in all, the longest sequence %d; %d longer than "
        "max_length %s are left out",
        split,
        len(kept),
        sum(found.frames[utt] for utt in kept),
        sizes.sum(),
        sizes.max(),
        len(lengths) - len(kept),
        max_length,
    )
    return kept
