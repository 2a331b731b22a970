"""Speaking phones with a trained experiment.

Legend: B batch, P phones, T frames, Q streams, M mel bands.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from codec_ssl.errors import ConfigError
from codec_ssl.features.stream import batch_slices
from codec_ssl.tts.codec_fastspeech2 import CodecFastSpeech2
from codec_ssl.tts.experiment import Experiment, Facts
from codec_ssl.tts.fastspeech2 import PhoneBatch, Prosody
from codec_ssl.tts.phone_store import PhoneRow, PhoneStore, Statistics
from codec_ssl.tts.sampling import Sampling, choose

BATCH_PHONES = 2000


@dataclass(frozen=True)
class Line:
    """One utterance to be spoken.

    Attributes:
        symbols: Its phones.
        speaker: Who speaks; "" where the model knows one.
        known: Durations, pitch and energy to speak it with; None predicts them.
    """

    symbols: Sequence[str]
    speaker: str = ""
    known: PhoneRow | None = None


@dataclass(frozen=True)
class Spoken:
    """What a model made of one utterance.

    Attributes:
        frames: Codes ``(T, Q)`` int64, or spectra ``(T, M)`` float32, no longer normalised.
        durations: Frames of each phone ``(P,)`` int64, as spoken.
        predicted: Frames of each phone ``(P,)`` float32, as predicted, not rounded.
        pitch: Predicted mean F0 of each phone ``(P,)`` in Hz.
        energy: Predicted mean energy of each phone ``(P,)``.
    """

    frames: np.ndarray
    durations: np.ndarray
    predicted: np.ndarray
    pitch: np.ndarray
    energy: np.ndarray


class Synthesizer:
    """Turns phones into frames; an utterance gets the same ones alone and in any batch.

    Args:
        experiment: What speaks.
        sampling: How codes are chosen; spectra have no choice.
        speed: Predicted durations are divided by it.
        batch_phones: Most padded phones in a batch (one utterance at least).

    Raises:
        ConfigError: The speed isn't positive.
    """

    def __init__(
        self,
        experiment: Experiment,
        sampling: Sampling | None = None,
        speed: float = 1.0,
        batch_phones: int = BATCH_PHONES,
    ) -> None:
        if speed <= 0:
            raise ConfigError(f"speed: expected a positive number, found {speed:g}")
        self.model, self.facts = experiment.model, experiment.facts
        self.sampling = sampling or Sampling()
        self.speed = speed
        self.batch_phones = batch_phones
        self._device = next(self.model.parameters()).device

    def __call__(self, lines: Mapping[str, Line]) -> Iterator[tuple[str, Spoken]]:
        """Speak utterances, the shortest first.

        Raises:
            DataError: A symbol is unknown.
            ConfigError: A speaker is unknown, or some lines are known and others not.
        """
        utt_ids = sorted(lines, key=lambda utt_id: (len(lines[utt_id].symbols), utt_id))
        counts = [len(lines[utt_id].symbols) for utt_id in utt_ids]
        for begin, end in batch_slices(counts, self.batch_phones):
            batch = {utt_id: lines[utt_id] for utt_id in utt_ids[begin:end]}
            yield from self._speak(batch)

    def _speak(self, lines: Mapping[str, Line]) -> Iterator[tuple[str, Spoken]]:
        batch = make_batch(self.facts, lines, self._device)
        frames, prosody = self._frames(list(lines), batch)
        for row, (utt_id, line) in enumerate(lines.items()):
            yield utt_id, self._spoken(frames[row], prosody, row, len(line.symbols))

    def _frames(self, utt_ids: list[str], batch: PhoneBatch) -> tuple[list[np.ndarray], Prosody]:
        if isinstance(self.model, CodecFastSpeech2):
            scores, prosody = self.model.scores(batch, self.speed)
            pairs = zip(scores, utt_ids, strict=True)
            return [choose(each, self.sampling, utt).numpy() for each, utt in pairs], prosody
        spectra, prosody = self.model.spectra(batch, self.speed)
        restore = self.facts.mel.restore
        return [restore(spectrum.float().cpu().numpy()) for spectrum in spectra], prosody

    def _spoken(self, frames: np.ndarray, prosody: Prosody, row: int, count: int) -> Spoken:
        def take(values: Tensor) -> np.ndarray:
            return values[row, :count].detach().cpu().numpy()

        return Spoken(
            frames=frames,
            durations=take(prosody.durations),
            predicted=np.maximum(np.exp(take(prosody.log_durations)) - 1, 0) / self.speed,
            pitch=np.exp(_restored(take(prosody.pitch), self.facts.pitch)),
            energy=_restored(take(prosody.energy), self.facts.energy),
        )


def make_batch(facts: Facts, lines: Mapping[str, Line], device: torch.device) -> PhoneBatch:
    """Number the phones and the speakers of utterances, and pad them.

    Raises:
        DataError: A symbol is unknown.
        ConfigError: A speaker is unknown, or some lines are known and others not.
    """
    phones = [facts.symbols.encode(utt_id, line.symbols) for utt_id, line in lines.items()]
    speakers = [facts.speaker_number(utt_id, line.speaker) for utt_id, line in lines.items()]
    known = [line.known for line in lines.values() if line.known is not None]
    if known and len(known) != len(lines):
        raise ConfigError(f"expected {len(lines)} lines with known prosody, found {len(known)}")
    given = {}
    if known:
        given = {
            "durations": [row.durations for row in known],
            "pitch": [normalized(row.pitch, facts.pitch) for row in known],
            "energy": [normalized(row.energy, facts.energy) for row in known],
        }
    padded = {name: _padded(rows).to(device) for name, rows in given.items()}
    return PhoneBatch(
        _padded(phones).to(device),
        torch.tensor([len(row) for row in phones], device=device),
        torch.tensor(speakers, device=device),
        **padded,
    )


def normalized(values: np.ndarray, statistics: Statistics) -> np.ndarray:
    """Zero mean and unit variance, float32; what is not known becomes the mean."""
    scaled = (values - statistics.mean) / statistics.deviation
    return np.nan_to_num(scaled, nan=0.0).astype(np.float32)


def lines_of(
    store: PhoneStore, utt_ids: Sequence[str] | None = None, *, given: bool = True
) -> dict[str, Line]:
    """Lines of the phones of a store.

    Args:
        store: The store.
        utt_ids: Utterances to take; None takes all.
        given: Whether to speak them with the store's durations, pitch and energy.
    """
    rows = {utt_id: store[utt_id] for utt_id in (store.utt_ids if utt_ids is None else utt_ids)}
    return {
        utt_id: Line(row.symbols, row.speaker, row if given else None)
        for utt_id, row in rows.items()
    }


def _padded(rows: Sequence[np.ndarray]) -> Tensor:
    return pad_sequence([torch.from_numpy(row) for row in rows], batch_first=True)


def _restored(values: np.ndarray, statistics: Statistics) -> np.ndarray:
    return (values * statistics.deviation + statistics.mean).astype(np.float32)
