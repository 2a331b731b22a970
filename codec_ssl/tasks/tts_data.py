"""Data of a TTS training: phones and frames, checked, recorded, and made a model's input."""

import argparse
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from espnet2.train.dataset import DATA_TYPES

from codec_ssl.asr.speech import CODES, FEATURES, check_frames, check_speech, record_speech
from codec_ssl.errors import CheckpointError, ConfigError, DataError
from codec_ssl.tokens import contract
from codec_ssl.tokens.store import TokenStore
from codec_ssl.train import data_type
from codec_ssl.train.checkpoint import read_config
from codec_ssl.train.lengths import utterances_of
from codec_ssl.tts.experiment import MEL, Facts, MelFacts
from codec_ssl.tts.frames import Frames, open_frames
from codec_ssl.tts.phone_store import PhoneStore
from codec_ssl.tts.symbols import Symbols
from codec_ssl.tts.synthesizer import normalized

SPLITS = ("train", "valid")
PHONES, PHONE_STORE = "phones", "phone_store"
_FRAMES = {CODES: data_type.NAME, FEATURES: data_type.FEATURES}
_logger = logging.getLogger(__name__)


class PhoneDicts(PhoneStore):
    """A phone store whose utterances are dicts, as ESPnet's data set wants them."""

    def __getitem__(self, utt_id: str) -> dict[str, Any]:
        return vars(super().__getitem__(utt_id))


def register() -> None:
    """Add the data type ``phone_store`` to ESPnet's table; doing it twice changes nothing."""
    data_type.register()
    entry = {"func": PhoneDicts, "kwargs": [], "help": "A folder made by tts_phones."}
    DATA_TYPES.setdefault(PHONE_STORE, entry)


@dataclass(frozen=True)
class TTSSet:
    """Training or validation set.

    Attributes:
        frames: Codes or spectra.
        phones: Phones, with frames, pitch and energy.
        utt_ids: Utterances that are used.
    """

    frames: Frames
    phones: PhoneStore
    utt_ids: list[str]

    @property
    def lengths(self) -> dict[str, int]:
        """Frames of each utterance that is used."""
        return {utt_id: self.frames.lengths[utt_id] for utt_id in self.utt_ids}

    def record(self) -> dict[str, Any]:
        """What ``config.yaml`` keeps: the frames, the phones, and how many utterances."""
        used = {"phones": self.phones.record(), "utterances": len(self.utt_ids)}
        return record_speech(self.frames.speech) | used


class TTSInputs:
    """Preprocessing of ESPnet's data set: numbers in place of phones, normalised prosody.

    Args:
        facts: Symbols, speakers and statistics of the training set.
    """

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    def __call__(self, utt_id: str, data: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Make ``phones``, ``durations``, ``pitch``, ``energy`` (P,), ``speaker`` and
        ``has_pitch`` (1,), and ``codes`` (T, Q) or ``features`` (T, M)."""
        row, facts = data[PHONES], self.facts
        made = {
            "phones": facts.symbols.encode(utt_id, row["symbols"]),
            "durations": row["durations"],
            "pitch": normalized(row["pitch"], facts.pitch),
            "energy": normalized(row["energy"], facts.energy),
            "speaker": np.array([facts.speaker_number(utt_id, row["speaker"])]),
            "has_pitch": np.array([int(np.isfinite(row["pitch"]).all())]),
        }
        if facts.mel is None:
            return {**made, CODES: data[CODES][:, : len(facts.sizes)]}
        return {**made, FEATURES: facts.mel.normalize(data[FEATURES])}


def open_split(args: argparse.Namespace, split: str) -> TTSSet:
    """Open what ``--<split>_data_path_and_name_and_type`` names.

    It is ``DIR,phones,phone_store``, and ``STORE,codes,token_store`` or, for ``--target mel``,
    ``CACHE,features,feature_cache``. The first column of ``--<split>_shape_file``, if there is
    one, says which utterances are used.

    Raises:
        ConfigError: If it is something else.
        CodecSSLError: If data cannot be opened.
    """
    wanted = FEATURES if args.target == MEL else CODES
    entries = getattr(args, f"{split}_data_path_and_name_and_type")
    paths = {(name, kind): path for path, name, kind in entries}
    if paths.keys() != {(PHONES, PHONE_STORE), (wanted, _FRAMES[wanted])} or len(entries) != 2:
        raise ConfigError(
            f"{split} data: expected for --target {args.target} DIR,{PHONES},{PHONE_STORE} and "
            f"DIR,{wanted},{_FRAMES[wanted]}, found {[','.join(entry) for entry in entries]}"
        )
    phones = PhoneStore(paths[PHONES, PHONE_STORE])
    shapes = getattr(args, f"{split}_shape_file")
    utt_ids = utterances_of(shapes[0], phones) if shapes else phones.utt_ids
    return TTSSet(open_frames(paths[wanted, _FRAMES[wanted]]), phones, utt_ids)


def check_sets(sets: Mapping[str, TTSSet]) -> None:
    """Check that frames are fit for a training, of one making, and those of the phones.

    Raises:
        CodecSSLError: Naming the stage to rerun.
    """
    train, valid = (sets[split].frames for split in SPLITS)
    if isinstance(train.speech, TokenStore) and isinstance(valid.speech, TokenStore):
        for split, found in sets.items():
            for line in contract.check(found.frames.speech).lines():
                _logger.info("%s %s", split, line)
        contract.check_pair(train.speech, valid.speech)
    else:
        for frames in (train, valid):
            check_frames(frames.speech)
        check_speech(valid.speech, record_speech(train.speech), train.path)
    for found in sets.values():
        _check_phones(found)


def gather_facts(train: TTSSet, args: argparse.Namespace) -> Facts:
    """What a model will speak, from its training set.

    Raises:
        ConfigError: More codebooks are asked for than there are.
    """
    phones, frames = train.phones, train.frames
    sizes: list[int] = []
    if isinstance(frames.speech, TokenStore):
        every = frames.speech.meta.sizes
        count = args.num_codebooks or len(every)
        if count > len(every):
            raise ConfigError(f"--num_codebooks: expected at most {len(every)}, found {count}")
        sizes = list(every[:count])
    mel = None if frames.mel is None else _mel_facts(train)
    return Facts(
        symbols=Symbols(phones.symbols),
        speakers=phones.speakers if args.speakers else [],
        languages=[language for language in phones.languages if language],
        pitch=phones.statistics("pitch"),
        energy=phones.statistics("energy"),
        grid=frames.grid,
        sizes=sizes,
        mel=mel,
    )


def check_known(found: TTSSet, facts: Facts, unknown: str) -> TTSSet:
    """Check a set against the training's symbols and speakers.

    Returns:
        The set without the utterances that have unknown symbols.

    Raises:
        DataError: There is an unknown symbol, and ``unknown`` is ``error``.
        ConfigError: A speaker is unknown.
    """
    rows = {utt_id: found.phones[utt_id] for utt_id in found.utt_ids}
    usable = facts.symbols.usable({utt: row.symbols for utt, row in rows.items()}, unknown)
    for utt_id in usable:
        facts.speaker_number(utt_id, rows[utt_id].speaker)
    return TTSSet(found.frames, found.phones, usable)


def check_resume(sets: Mapping[str, TTSSet], exp_dir: Path) -> None:
    """Refuse to go on with other data than an experiment was started with.

    Raises:
        CheckpointError: Naming what differs.
    """
    before = read_config(exp_dir).get("data_record") or {}
    for split, found in sets.items():
        then = dict(before.get(split) or {})
        phones, count = then.pop("phones", None), then.pop("utterances", None)
        if (phones, count) != (found.phones.record(), len(found.utt_ids)):
            raise CheckpointError(
                f"{exp_dir}: expected the {split} phones that it was trained with, found others "
                f"in {found.phones.path}; choose another --output_dir",
                stage="phones",
            )
        check_speech(found.frames.speech, then, exp_dir, same_data=True)


def usable_lengths(found: TTSSet, split: str, max_frames: int | None) -> dict[str, int]:
    """Lengths for the batches; utterances that are too long are left out, and counted in the log.

    Raises:
        DataError: None is left.
    """
    lengths = found.lengths
    kept = {utt: n for utt, n in lengths.items() if max_frames is None or n <= max_frames}
    if not kept:
        raise DataError(
            f"{found.frames.path}: expected utterances of at most --max_frames {max_frames}, found "
            f"none: the shortest of {len(lengths)} has {min(lengths.values())}"
        )
    _logger.info(
        "%s: %d utterances, %d frames, the longest %d; %d longer than max_frames %s are left out",
        split,
        len(kept),
        sum(kept.values()),
        max(kept.values()),
        len(lengths) - len(kept),
        max_frames,
    )
    return kept


def _check_phones(found: TTSSet) -> None:
    """Phones of these very frames, with as many frames."""
    phones, frames = found.phones, found.frames
    if phones.plan["frames"] != frames.made_by() or phones.grid != frames.grid:
        raise DataError(
            f"{phones.path}: expected phones measured on the frames of {frames.path}, found those "
            "of other frames",
            stage="phones",
        )
    pairs = zip(phones.utt_ids, phones.frame_counts.tolist(), strict=True)
    wrong = [(utt, count) for utt, count in pairs if frames.lengths.get(utt) != count]
    if wrong:
        utt_id, count = wrong[0]
        raise DataError(
            f"{phones.path}: utterance {utt_id}: expected {frames.lengths.get(utt_id)} frames as "
            f"in {frames.path}, found {count} ({len(wrong)} such utterances)",
            stage="phones",
        )


def _mel_facts(train: TTSSet) -> MelFacts:
    """Mean and deviation of each band over all training frames."""
    count, total, squares = 0, 0.0, 0.0
    for utt_id in train.utt_ids:
        spectrum = np.asarray(train.frames.speech[utt_id], dtype=np.float64)
        count += len(spectrum)
        total = total + spectrum.sum(0)
        squares = squares + np.square(spectrum).sum(0)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - np.square(mean), 1e-10))
    return MelFacts(train.frames.mel, mean.tolist(), deviation.tolist())
