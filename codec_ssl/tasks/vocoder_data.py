"""Data of a vocoder's training: opened, compared, and cut into crops.

=====  =============  =========================================================================
name   type           what for
=====  =============  =========================================================================
codes  token_store    units; its utterances are those of the training
audio  audio_<rate>   a data dir: waveforms, and speakers in ``utt2spk``
f0     token_store    codes of pitch, at a rate of their own
=====  =============  =========================================================================

Waveforms keep their level. (The released code of Polyak et al. 2021 brings the peak of each to
0.95; as there, an utterance that is shorter than a crop is repeated.)

Legend: T frames of an utterance, Q streams, U units.
"""

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.statistics import measure
from codec_ssl.errors import ConfigError, DataError
from codec_ssl.features.cache import digest_of
from codec_ssl.features.utterances import MAX_BAD_RATE
from codec_ssl.tasks.data_paths import data_paths
from codec_ssl.tokens import contract
from codec_ssl.tokens.store import TokenStore
from codec_ssl.train import audio_type, data_type
from codec_ssl.train.lengths import utterances_of
from codec_ssl.train.side_by_side import AudioStream, SideBySide, StoredStream, Stream
from codec_ssl.vocoder.units import align, deduplicate, positions_at

SPLITS = ("train", "valid")
CODES, AUDIO, F0 = "codes", "audio", "f0"
MAX_GAP = 1


@dataclass(frozen=True)
class Opened:
    """Data of one split.

    Attributes:
        codes: Units.
        data_dir: Waveforms and speakers.
        sample_rate: At which waveforms are wanted, in Hz.
        f0: Codes of pitch, if they are there.
        utt_ids: Utterances that are used.
    """

    codes: TokenStore
    data_dir: DataDir
    sample_rate: int
    f0: TokenStore | None
    utt_ids: list[str]

    def lengths(self) -> np.ndarray:
        """Frames of each utterance that is used, int64."""
        return np.array([self.codes.num_frames(utt) for utt in self.utt_ids], dtype=np.int64)

    def record(self) -> dict[str, object]:
        """What ``config.yaml`` keeps: plain values."""
        told = {CODES: contract.record(self.codes), "sample_rate": self.sample_rate}
        told["content"] = digest_of(self.utt_ids, self.lengths())
        return told if self.f0 is None else {**told, F0: contract.record(self.f0)}


def open_split(args: argparse.Namespace, split: str) -> Opened:
    """Open what ``--<split>_data_path_and_name_and_type`` names, and check it.

    The first column of ``--<split>_shape_file``, if there is one, says which utterances are used.

    Raises:
        ConfigError: It is something else.
        CodecSSLError: Data cannot be opened, or do not belong together.
    """
    entries = getattr(args, f"{split}_data_path_and_name_and_type")
    kinds = [kind for _, name, kind in entries if name == AUDIO]
    rate = kinds[0].rpartition("_")[2] if kinds and re.fullmatch(audio_type.NAME, kinds[0]) else ""
    types = {CODES: data_type.NAME, AUDIO: f"audio_{rate or '<rate>'}", F0: data_type.NAME}
    paths = data_paths(args, split, types)
    if missing := {CODES, AUDIO} - paths.keys():
        raise ConfigError(f"{split} data: expected codes and audio, found no {min(missing)}")
    codes, data_dir = TokenStore(paths[CODES]), DataDir(paths[AUDIO])
    contract.check(codes)
    shapes = getattr(args, f"{split}_shape_file")
    wanted = utterances_of(shapes[0], codes) if shapes else list(codes.utt_ids)
    usable = check_audio(codes, data_dir, int(rate), wanted)
    f0 = TokenStore(paths[F0]) if F0 in paths else None
    if f0 is not None:
        check_pitch(codes, f0, usable)
    return Opened(codes, data_dir, int(rate), f0, usable)


def check_audio(
    codes: TokenStore, data_dir: DataDir, sample_rate: int, utt_ids: list[str]
) -> list[str]:
    """Check that every utterance has audio as long as its codes, give or take a frame.

    Frames are compared with the whole frames of the audio: some encoders leave the last samples
    out, others fill a last frame up.

    Returns:
        The utterances without those whose audio cannot be read.

    Raises:
        DataError: Naming the first utterance that has not, and the stage that mends it.
    """
    samples = sample_rate / codes.frame_rate
    missing = set(utt_ids) - set(data_dir.utt_ids)
    if missing:
        raise DataError(
            f"{data_dir.path}: expected audio of every utterance of {codes.path}, found none of "
            f"{min(missing)} ({len(missing)} such)",
            stage="data",
        )
    found = measure(data_dir)
    found.bad.check_rate(len(data_dir), MAX_BAD_RATE)
    lengths = found.num_samples(sample_rate)
    usable = [utt for utt in utt_ids if utt in lengths]
    far = [u for u in usable if abs(int(lengths[u] / samples) - codes.num_frames(u)) > MAX_GAP]
    if far:
        utt = far[0]
        raise DataError(
            f"{codes.path}: utterance {utt}: expected {int(lengths[utt] / samples)} frames, as its "
            f"{lengths[utt]} samples at {sample_rate} Hz in {data_dir.path} have, or {MAX_GAP} "
            f"more or less, found {codes.num_frames(utt)} ({len(far)} such utterances)",
            stage=codes.meta.stage,
        )
    return usable


def check_pitch(codes: TokenStore, f0: TokenStore, utt_ids: list[str]) -> None:
    """Check that there is a code of pitch for every frame of every utterance.

    Raises:
        DataError: Naming the first utterance for which there is not.
    """
    if f0.meta.num_codebooks != 1:
        raise DataError(f"{f0.path}: expected one stream, found {f0.meta.num_codebooks}", "f0")
    for utt in utt_ids:
        if utt not in f0:
            raise DataError(f"{f0.path}: expected F0 codes of {utt}, found none", "f0")
        last = range(codes.num_frames(utt) - 1, codes.num_frames(utt))
        needed = int(positions_at(last, f0.frame_rate, codes.frame_rate)[0]) + 1
        if f0.num_frames(utt) < needed - MAX_GAP:
            raise DataError(
                f"{f0.path}: utterance {utt}: expected {needed} F0 codes for its "
                f"{codes.num_frames(utt)} frames, found {f0.num_frames(utt)}",
                stage="f0",
            )


@dataclass(frozen=True)
class PitchStream:
    """Codes of pitch, one for each frame of the units.

    Attributes:
        store: The codes.
        frame_rate: Of the units.
    """

    store: TokenStore
    frame_rate: float

    @property
    def path(self) -> str:
        """The store's."""
        return self.store.path

    def lengths(self) -> dict[str, int]:
        """Codes of each utterance."""
        return dict(zip(self.store.utt_ids, self.store.lengths.tolist(), strict=True))

    def crop(self, utt_id: str, start: int, length: int) -> np.ndarray:
        """Codes ``(length, 1)``."""
        frames = range(start, start + length)
        return align(self.store[utt_id], frames, self.store.frame_rate, self.frame_rate)


@dataclass(frozen=True)
class Segments(SideBySide):
    """Crops of one length; an utterance that is shorter is repeated until it fills one.

    Attributes:
        real: Frames of each utterance; ``lengths`` are at least those of a crop.
        speakers: What the generator takes for the speaker of an utterance, with a first dimension
            of 1; none where it does not tell them apart.
        whole: Whether the units of the whole utterance go along, with their durations.
    """

    real: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    speakers: Mapping[str, np.ndarray] = field(default_factory=dict)
    whole: bool = False

    def crop(self, position: int, start: int, length: int) -> dict[str, np.ndarray]:
        """The same frames of every stream; what goes along besides."""
        real, utt = int(self.real[position]), self.utt_ids[position]
        if real >= length:
            pieces = super().crop(position, start, length)
        else:
            pieces = {
                name: np.concatenate([piece] * -(-length // real))[: len(piece) * length // real]
                for name, piece in super().crop(position, 0, real).items()
            }
        if utt in self.speakers:
            pieces["speaker"] = self.speakers[utt]
        if self.whole:
            codes = self.streams[CODES].crop(utt, 0, real)
            pieces["units"], pieces["durations"] = deduplicate(codes)
            pieces["units_lengths"] = np.array([len(pieces["units"])])
        return pieces


def make_segments(
    opened: Opened, crop_frames: int, speakers: Mapping[str, np.ndarray], *, whole: bool
) -> Segments:
    """Lay the streams of a split side by side.

    Args:
        opened: The split.
        crop_frames: Frames of a crop.
        speakers: See ``Segments``, by utterance.
        whole: See ``Segments``.
    """
    codes, rate = opened.codes, opened.sample_rate
    hop = round(rate / codes.frame_rate)
    streams: dict[str, Stream] = {
        CODES: StoredStream(codes),
        AUDIO: AudioStream(opened.data_dir, rate, hop, {}),
    }
    if opened.f0 is not None:
        streams[F0] = PitchStream(opened.f0, codes.frame_rate)
    real = opened.lengths()
    return Segments(streams, opened.utt_ids, np.maximum(real, crop_frames), real, speakers, whole)
