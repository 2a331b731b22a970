"""Word errors of Whisper on the decoded speech, against what was said.

As VERSA sets it for the paper: Whisper hears the language by itself, searches greedily (a beam of
1), and both texts go through Whisper's basic normalisation (lower case, no punctuation). Whisper's
own program samples anew where an answer repeats itself; this does not, so a rerun hears the same.

Letters: N samples.
"""

from dataclasses import dataclass
from typing import Any

import jiwer
import numpy as np
import torch

from codec_ssl.errors import CheckpointError
from codec_ssl.evaluation.opinion import MIN_SPEECH
from codec_ssl.evaluation.pair import CannotScore, resample
from codec_ssl.evaluation.signal import SPEECH_RATE, check_signal

CHUNK_SECONDS = 30


@dataclass(frozen=True)
class WordErrors:
    """Errors of one utterance.

    Attributes:
        errors: Substitutions, deletions and insertions.
        words: Words of the reference.
        transcript: What was heard, normalised.
    """

    errors: int
    words: int
    transcript: str


class WhisperWer:
    """Recognises and counts.

    Args:
        source: Hub id, or folder in transformers' format (``config.json``, weights, tokenizer,
            ``preprocessor_config.json``).
        language: Code such as ``en``; "" lets Whisper find out.
        device: Where to compute.

    Raises:
        CheckpointError: If there is no such model.
    """

    def __init__(self, source: str, language: str = "", device: str | torch.device = "cpu") -> None:
        # transformers takes seconds to import.
        from transformers import WhisperForConditionalGeneration, WhisperProcessor
        from transformers.models.whisper.english_normalizer import BasicTextNormalizer

        try:
            self._processor = WhisperProcessor.from_pretrained(source)
            model = WhisperForConditionalGeneration.from_pretrained(source)
        except (OSError, ValueError, TypeError) as error:
            raise CheckpointError(
                f"Whisper: expected a model of transformers in {source} (a folder with its "
                f"tokenizer, or downloaded from the hub), found none: {error}"
            ) from error
        self._device = torch.device(device)
        self._model = model.to(self._device).eval()
        self._language = language
        self._normalize = BasicTextNormalizer()

    def __call__(self, decoded: np.ndarray, sample_rate: int, text: str | None) -> WordErrors:
        """Errors in what is heard.

        Args:
            decoded: ``(N,)`` float32.
            sample_rate: Its rate, in Hz.
            text: What was said.

        Raises:
            CannotScore: If no text is known or it has no words, or the signal is silent or shorter
                than 0.25 s.
        """
        said = self._normalize(text or "").strip()
        if not said:
            raise CannotScore("no transcript")
        return count_errors(said, self.transcribe(decoded, sample_rate))

    @torch.no_grad()
    def transcribe(self, decoded: np.ndarray, sample_rate: int) -> str:
        """What Whisper hears, normalised; beyond 30 s by its own sliding window."""
        wav = resample(decoded, sample_rate, SPEECH_RATE)
        check_signal("decoded signal", wav, MIN_SPEECH)
        is_long = len(wav) > CHUNK_SECONDS * SPEECH_RATE
        inputs = self._processor(
            wav,
            sampling_rate=SPEECH_RATE,
            return_tensors="pt",
            return_attention_mask=True,
            **({"truncation": False, "padding": "longest"} if is_long else {}),
        ).to(self._device)
        options: dict[str, Any] = {"language": self._language} if self._language else {}
        if is_long:
            options["return_timestamps"] = True
        tokens = self._model.generate(**inputs, num_beams=1, do_sample=False, **options)
        [heard] = self._processor.batch_decode(tokens, skip_special_tokens=True)
        return self._normalize(heard).strip()


def count_errors(said: str, heard: str) -> WordErrors:
    """Least number of edits of words."""
    found = jiwer.process_words(said, heard)
    errors = found.substitutions + found.deletions + found.insertions
    words = found.substitutions + found.deletions + found.hits
    return WordErrors(errors, words, heard)
