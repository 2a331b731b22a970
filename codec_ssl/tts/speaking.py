"""What a folder of synthetic speech is filled with: a script, or copies of reference frames."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from codec_ssl.errors import ConfigError
from codec_ssl.tokens.files import canonical, text_digest
from codec_ssl.tokens.store import TokenStore
from codec_ssl.tts.experiment import Experiment
from codec_ssl.tts.frames import Frames
from codec_ssl.tts.sampling import Sampling
from codec_ssl.tts.spoken_dir import Utterance
from codec_ssl.tts.synthesizer import Line, Synthesizer
from codec_ssl.tts.vocoder import Voice


class ScriptSpeaker:
    """Speaks lines with a trained model.

    Args:
        experiment: What speaks.
        lines: What, by utterance.
        voice: Turns its frames into audio.
        sampling: How codes are chosen.
        speed: Predicted durations are divided by it.

    Attributes:
        plan: All that the audio depends on, as plain values.
    """

    def __init__(
        self,
        experiment: Experiment,
        lines: Mapping[str, Line],
        voice: Voice,
        sampling: Sampling | None = None,
        speed: float = 1.0,
    ) -> None:
        self.voice = voice
        self._lines = lines
        self._synthesizer = Synthesizer(experiment, sampling, speed)
        self._frame_seconds = 1 / experiment.facts.grid.frame_rate
        told = [[utt, list(each.symbols), each.speaker] for utt, each in lines.items()]
        prosody = [each.known.durations.tolist() for each in lines.values() if each.known]
        self.plan: dict[str, Any] = {
            "exp": str(experiment.path),
            "checkpoint": experiment.checkpoint,
            "model": experiment.fingerprint,
            "voice": voice.name,
            "sampling": vars(self._synthesizer.sampling),
            "speed": speed,
            "lines": text_digest(canonical([told, prosody])),
        }

    @property
    def utt_ids(self) -> list[str]:
        """All utterances."""
        return list(self._lines)

    def __call__(self, utt_ids: Sequence[str]) -> Iterator[tuple[str, Utterance]]:
        """Speak some of them."""
        spoken = dict(self._synthesizer({utt_id: self._lines[utt_id] for utt_id in utt_ids}))
        wavs = self.voice.speak([each.frames for each in spoken.values()])
        for (utt_id, each), wav in zip(spoken.items(), wavs, strict=True):
            seconds = each.durations * self._frame_seconds
            yield utt_id, Utterance(wav, self._lines[utt_id].symbols, seconds)


class FrameSpeaker:
    """Copy synthesis: what a codec or a vocoder alone makes of reference frames.

    Args:
        frames: The frames.
        voice: Turns them into audio.
        num_codebooks: Of codes, the first so many; None takes all.

    Attributes:
        plan: All that the audio depends on, as plain values.

    Raises:
        ConfigError: There are fewer codebooks, or none at all.
    """

    def __init__(self, frames: Frames, voice: Voice, num_codebooks: int | None = None) -> None:
        there = len(frames.speech.meta.sizes) if isinstance(frames.speech, TokenStore) else 0
        if num_codebooks is not None and not 1 <= num_codebooks <= there:
            raise ConfigError(
                f"{frames.path}: --num_codebooks: expected 1 to {there}, found {num_codebooks}"
                if there
                else f"{frames.path}: --num_codebooks is of codes, found spectra"
            )
        self.voice = voice
        self._frames = frames
        self._num_codebooks = num_codebooks
        content = [frames.speech.utt_ids, frames.speech.lengths.tolist()]
        self.plan: dict[str, Any] = {
            "copy": frames.made_by(),
            "content": text_digest(canonical(content)),
            "voice": voice.name,
            "num_codebooks": num_codebooks,
        }

    @property
    def utt_ids(self) -> list[str]:
        """All utterances."""
        return list(self._frames.speech.utt_ids)

    def __call__(self, utt_ids: Sequence[str]) -> Iterator[tuple[str, Utterance]]:
        """Copy some of them."""
        rows = [np.asarray(self._frames.speech[utt_id]) for utt_id in utt_ids]
        if self._frames.mel is None:
            rows = [row[:, : self._num_codebooks] for row in rows]
        for utt_id, wav in zip(utt_ids, self.voice.speak(rows), strict=True):
            yield utt_id, Utterance(wav, [], np.empty(0))
