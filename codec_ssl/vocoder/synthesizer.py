"""Waveforms of a token store with a trained vocoder.

Legend: B batch, T frames, Q streams, U units, N samples.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from codec_ssl.errors import CheckpointError, ConfigError, DataError
from codec_ssl.features.stream import batch_slices
from codec_ssl.tokens import contract
from codec_ssl.tokens.files import canonical, text_digest
from codec_ssl.tokens.store import TokenStore
from codec_ssl.tts.spoken_dir import Utterance
from codec_ssl.vocoder.experiment import NONE, Vocoder
from codec_ssl.vocoder.units import align, deduplicate, expand

BATCH_FRAMES = 3000
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Line:
    """One utterance to be made.

    Attributes:
        codes: ``(T, Q)`` int64, or units ``(U, Q)`` of which the model says how long they last.
        speaker: Whose voice; "" where the model does not tell speakers apart.
        f0: Codes of pitch, one a frame ``(T,)`` int64; None where the model takes none.
    """

    codes: np.ndarray
    speaker: str = ""
    f0: np.ndarray | None = None


class VocoderSynthesizer:
    """Turns units into waveforms; an utterance gets the same one alone and in any batch.

    Args:
        vocoder: What makes them.
        batch_frames: Most padded frames in a batch (one utterance at least).
    """

    def __init__(self, vocoder: Vocoder, batch_frames: int = BATCH_FRAMES) -> None:
        self.vocoder, self.batch_frames = vocoder, batch_frames

    def __call__(self, lines: Mapping[str, Line]) -> Iterator[tuple[str, np.ndarray]]:
        """Make waveforms ``(T * hop,)`` float32, the shortest first.

        Raises:
            ConfigError: A speaker is unknown, or F0 codes are missing or not taken.
        """
        for batch in self._batches(lines):
            codes, counts = self._padded([line.codes for line in batch.values()])
            f0 = None
            if all(line.f0 is not None for line in batch.values()):
                f0, _ = self._padded([line.f0 for line in batch.values()])
            names = [line.speaker for line in batch.values()]
            speakers = self.vocoder.speaker_input(list(batch), names)
            with torch.no_grad():
                wavs = self.vocoder.model(codes, counts, speakers, f0).float().cpu().numpy()
            hop = self.vocoder.facts.hop
            for utt_id, wav, count in zip(batch, wavs, counts.tolist(), strict=True):
                yield utt_id, wav[: count * hop]

    def with_durations(self, lines: Mapping[str, Line]) -> dict[str, Line]:
        """Join repeated units and let them last as long as the model says, one frame at least.

        Raises:
            ConfigError: The model has not learnt durations, or there are codes of pitch: they say
                when, which is what is predicted here.
        """
        if any(line.f0 is not None for line in lines.values()):
            raise ConfigError("predicted durations go with no F0 codes: those are of the source's")
        units = {u: replace(line, codes=deduplicate(line.codes)[0]) for u, line in lines.items()}
        found: dict[str, Line] = {}
        for batch in self._batches(units):
            codes, counts = self._padded([line.codes for line in batch.values()])
            frames = self.vocoder.model.predict_durations(codes, counts).cpu().numpy()
            for row, (utt_id, line) in enumerate(batch.items()):
                durations = frames[row, : len(line.codes)]
                found[utt_id] = replace(line, codes=expand(line.codes, durations))
        return found

    def _batches(self, lines: Mapping[str, Line]) -> Iterator[dict[str, Line]]:
        utt_ids = sorted(lines, key=lambda utt_id: (len(lines[utt_id].codes), utt_id))
        counts = [len(lines[utt_id].codes) for utt_id in utt_ids]
        for begin, end in batch_slices(counts, self.batch_frames):
            yield {utt_id: lines[utt_id] for utt_id in utt_ids[begin:end]}

    def _padded(self, rows: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """Rows with zeros behind their ends, and how long they are ``(B,)``."""
        tensors = [torch.from_numpy(np.asarray(row, dtype=np.int64)) for row in rows]
        counts = torch.tensor([len(row) for row in rows], device=self.vocoder.device)
        return pad_sequence(tensors, batch_first=True).to(self.vocoder.device), counts


class StoreSpeaker:
    """Makes the utterances of token stores, for a ``SpokenDir``.

    Args:
        vocoder: What makes them.
        store: Units.
        speakers: Whose voice each utterance gets; its keys are the utterances.
        f0: Codes of pitch, where the vocoder takes them.
        deduplicate: Whether to join repeated units, and predict how long they last.

    Attributes:
        plan: All that the audio depends on, as plain values.
        utt_ids: All utterances.

    Raises:
        CheckpointError: The stores are not of the kind that the vocoder was trained on.
        ConfigError: F0 codes are missing or not taken, or there are no durations to predict.
        DataError: An utterance has no units, or no codes of pitch.
    """

    def __init__(
        self,
        vocoder: Vocoder,
        store: TokenStore,
        speakers: Mapping[str, str],
        f0: TokenStore | None = None,
        *,
        deduplicate: bool = False,
    ) -> None:
        facts = vocoder.facts
        contract.check_checkpoint(store, facts.tokens, same_data=False)
        _check_pitch(vocoder, f0)
        if deduplicate and (vocoder.model.durations is None or f0 is not None):
            raise ConfigError(
                f"{vocoder.path}: --deduplicate true: expected a vocoder with durations and "
                "without F0 codes, found another"
            )
        self.utt_ids = _usable(store, speakers)
        for utt_id in self.utt_ids if f0 is not None else []:
            if utt_id not in f0:
                raise DataError(f"{f0.path}: expected F0 codes of {utt_id}, found none", "f0")
        self._store, self._f0, self._deduplicate = store, f0, deduplicate
        told = facts.speaker_kind != NONE
        self._speakers = {utt: speakers[utt] if told else "" for utt in self.utt_ids}
        for utt_id, name in self._speakers.items() if told else ():
            facts.speaker_number(utt_id, name)
        self._synthesizer = VocoderSynthesizer(vocoder)
        self.plan: dict[str, Any] = {
            "exp": str(vocoder.path),
            "checkpoint": vocoder.checkpoint,
            "model": vocoder.fingerprint,
            "tokens": store.meta.fingerprint,
            "f0": f0 and f0.meta.fingerprint,
            "deduplicate": deduplicate,
            "speakers": text_digest(canonical(self._speakers)),
        }

    def __call__(self, utt_ids: Sequence[str]) -> Iterator[tuple[str, Utterance]]:
        """Make some of them."""
        lines = {utt_id: self._line(utt_id) for utt_id in utt_ids}
        if self._deduplicate:
            lines = self._synthesizer.with_durations(lines)
        for utt_id, wav in self._synthesizer(lines):
            yield utt_id, Utterance(wav, [], np.empty(0))

    def _line(self, utt_id: str) -> Line:
        codes, f0 = self._store[utt_id], None
        if self._f0 is not None:
            rates = self._f0.frame_rate, self._store.frame_rate
            f0 = align(self._f0[utt_id], range(len(codes)), *rates)[:, 0]
        return Line(codes, self._speakers[utt_id], f0)


def _check_pitch(vocoder: Vocoder, f0: TokenStore | None) -> None:
    pitch = vocoder.facts.pitch
    if (pitch is None) != (f0 is None):
        raise ConfigError(
            f"{vocoder.path}: expected {'no F0 codes' if pitch is None else 'F0 codes'}, as in "
            f"training, found {'none' if f0 is None else f0.path}"
        )
    if pitch is None:
        return
    found = (f0.meta.sizes, f0.frame_rate, f0.meta.maker["fingerprint"])
    if found != ([pitch.bins], pitch.frame_rate, pitch.maker):
        raise CheckpointError(
            f"{f0.path}: expected {pitch.bins} F0 codes of the quantizer {pitch.maker[:12]} at "
            f"{pitch.frame_rate:g} a second, with which {vocoder.path} was trained, found {found}",
            stage="f0",
        )


def _usable(store: TokenStore, utt_ids: Mapping[str, str]) -> list[str]:
    """Utterances that have units; those left out when the store was made are told in the log."""
    skipped = store.skipped()
    missing = [utt for utt in utt_ids if utt not in store]
    unknown = [utt for utt in missing if utt not in skipped]
    if unknown or len(missing) == len(utt_ids):
        raise DataError(
            f"{store.path}: expected units of every utterance, found none of "
            f"{min(unknown or missing, default='any')} ({len(missing)} such)",
            stage=store.meta.stage,
        )
    for utt in missing:
        _logger.warning("%s: left out, it has no units: %s", utt, skipped[utt])
    return sorted(utt for utt in utt_ids if utt in store)
