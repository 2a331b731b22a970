"""Transcribing with an encoder's ASR experiment: batched, by ESPnet's own searches.

CTC's greedy search is here: ESPnet has none. What is loaded is ESPnet's ``Speech2Text``.

Legend: B utterances, T frames, Q codebooks, N samples.
"""

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from espnet2.bin.asr_inference import Speech2Text
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

import codec_ssl.tasks.codec_asr  # noqa: F401  (the names in its configs)
from codec_ssl.asr.fit import encoder_frames, frontend_frames
from codec_ssl.asr.recognizer import Experiment, Transcript
from codec_ssl.asr.speech import Speech, describe
from codec_ssl.errors import CheckpointError, ConfigError
from codec_ssl.features.stream import batch_slices
from codec_ssl.tokens.files import canonical
from codec_ssl.train.checkpoint import digest_state, load_state_strict, load_weights

BLANK = 0
SEARCHES = ("auto", "greedy", "beam")
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EncoderSearch:
    """How to search.

    Attributes:
        search: ``greedy`` (CTC: the best token of each frame), ``beam`` (ESPnet's), or ``auto``:
            greedy for models that have CTC alone.
        beam: Hypotheses kept; a transducer with 1 is greedy.
        ctc_weight: Of CTC beside attention.
        penalty: Added for each token.
        max_ratio: Most tokens a frame of the encoder, with attention; 0: no limit but the frames.
    """

    search: str = "auto"
    beam: int = 10
    ctc_weight: float = 0.3
    penalty: float = 0.0
    max_ratio: float = 0.0


class EncoderRecognizer:
    """Transcribes codes or audio.

    Args:
        speech2text: ESPnet's model, tokenizer and searches.
        options: How to search.
        batch_seconds: Most seconds of padded speech in a batch (one utterance at least).
        frame_rate: Frames (or samples) of the speech a second.

    Attributes:
        fingerprint: SHA-256 over weights and vocabulary.
        normalization: Nothing: transcripts are normalised before training.

    Raises:
        ConfigError: The model doesn't have the search.
    """

    normalization: Mapping[str, str] = {}

    def __init__(
        self,
        speech2text: Speech2Text,
        options: EncoderSearch,
        batch_seconds: float,
        frame_rate: float,
    ) -> None:
        self.speech2text = speech2text
        self.model = speech2text.asr_model
        self.options = options
        self.batch_frames = max(1, int(batch_seconds * frame_rate))
        self.is_greedy = options.search == "greedy"
        self.is_transducer = self.model.use_transducer_decoder
        if options.search == "auto":
            self.is_greedy = self.model.decoder is None
        if self.is_greedy and self.model.ctc is None:
            raise ConfigError("--search greedy needs a model with CTC; a transducer has --beam 1")
        digest = hashlib.sha256(canonical(self.model.token_list).encode())
        digest_state(digest, self.model.state_dict())
        self.fingerprint = digest.hexdigest()

    @torch.no_grad()
    def __call__(self, speech: Mapping[str, np.ndarray]) -> Iterator[tuple[str, Transcript]]:
        """Transcribe utterances, the shortest first.

        Args:
            speech: Codes ``(T, Q)`` or waveforms ``(N,)`` of each utterance.

        Yields:
            Utterance ids with their transcripts; an utterance too short for the encoder has "".
        """
        utt_ids = sorted(speech, key=lambda utt_id: (len(speech[utt_id]), utt_id))
        short = [utt_id for utt_id in utt_ids if self.frames(len(speech[utt_id])) < 1]
        if short:
            _logger.warning("%d utterances are too short to be heard: %s", len(short), short[:5])
        yield from ((utt_id, Transcript("", 0.0, False)) for utt_id in short)
        utt_ids = utt_ids[len(short) :]
        lengths = [len(speech[utt_id]) for utt_id in utt_ids]
        for begin, end in batch_slices(lengths, self.batch_frames):
            batch = [torch.from_numpy(speech[utt_id]).float() for utt_id in utt_ids[begin:end]]
            yield from zip(utt_ids[begin:end], self.transcribe(batch), strict=True)

    def frames(self, length: int) -> int:
        """Frames that the encoder makes of speech so long."""
        args = self.speech2text.asr_train_args
        frames = frontend_frames(length, args.frontend, args.frontend_conf)
        return encoder_frames(frames, args.encoder, args.encoder_conf)

    def transcribe(self, batch: Sequence[Tensor]) -> list[Transcript]:
        """Transcribe one batch of codes ``(T, Q)`` or waveforms ``(N,)``, as floats."""
        padded = pad_sequence(list(batch), batch_first=True).to(self.speech2text.device)
        lengths = torch.tensor([len(each) for each in batch], device=padded.device)
        if not self.is_greedy and not self.is_transducer:
            found = self.speech2text.batch_decode(padded, lengths)
            return [Transcript(best[0], float(best[3].score), False) for best, *_ in found]
        encoded, frames = self.model.encode(padded, lengths)
        encoded = encoded[0] if isinstance(encoded, tuple) else encoded
        if self.is_greedy:
            return self._greedy(encoded, frames)
        return [self._transduce(x[:n]) for x, n in zip(encoded, frames.tolist(), strict=True)]

    def _greedy(self, encoded: Tensor, frames: Tensor) -> list[Transcript]:
        scores, best = self.model.ctc.log_softmax(encoded).max(2)
        found = []
        for tokens, score, count in zip(best.tolist(), scores, frames.tolist(), strict=True):
            kept = [token for token, _ in groupby(tokens[:count])]
            found.append(Transcript(self.text(kept), float(score[:count].sum()), False))
        return found

    def _transduce(self, encoded: Tensor) -> Transcript:
        best = self.speech2text.beam_search_transducer(encoded)[0]
        return Transcript(self.text(list(best.yseq)), float(best.score), False)

    @staticmethod
    def describe(speech: Speech) -> dict[str, str | None]:
        """What tables call the speech: ``input`` is the codec's name, or ``audio``."""
        found = describe(speech)
        return {"input": found["features"] or found["tokenizer"], "sizes": found["sizes"]}

    def text(self, tokens: Sequence[int]) -> str:
        """The text of token numbers, blanks and the end left out."""
        kept = [token for token in tokens if token not in (BLANK, self.model.eos)]
        return self.speech2text.tokenizer.tokens2text(
            self.speech2text.converter.ids2tokens(kept)
        ).strip()


def load_encoder_experiment(
    exp_dir: str | Path,
    frame_rate: float,
    *,
    checkpoint: str = "best",
    device: str = "cpu",
    options: EncoderSearch | None = None,
    batch_seconds: float = 120.0,
) -> Experiment:
    """Load an experiment of ``codec_asr_train``.

    Args:
        exp_dir: The experiment directory.
        frame_rate: Frames (or samples) a second of the speech to come.
        checkpoint: ``best``, ``latest`` or an epoch number.
        device: Where to compute.
        options: How to search.
        batch_seconds: Most seconds of padded speech in a batch.

    Raises:
        CheckpointError: Something is missing or damaged.
        ConfigError: The model doesn't have the search.
    """
    folder, options = Path(exp_dir), options or EncoderSearch()
    config, state = load_weights(folder, checkpoint)
    if "encoder" not in config or not config.get("data_record"):
        raise CheckpointError(f"{folder}: expected an experiment of codec_asr_train", stage="train")
    ctc_alone = config["model_conf"].get("ctc_weight", 0.5) == 1.0
    speech2text = Speech2Text(
        asr_train_config=folder / "config.yaml",
        bpemodel=_pieces(folder, config),
        device=device,
        beam_size=options.beam,
        ctc_weight=1.0 if ctc_alone else options.ctc_weight,
        penalty=options.penalty,
        maxlenratio=options.max_ratio,
        batch_size=1,
    )
    load_state_strict(speech2text.asr_model, state, str(folder))
    speech2text.asr_model.eval()
    recognizer = EncoderRecognizer(speech2text, options, batch_seconds, frame_rate)
    return Experiment(folder, checkpoint, config, recognizer)


def _pieces(folder: Path, config: Mapping[str, Any]) -> str | None:
    """SentencePiece's model of an experiment that may have been moved since."""
    return str(folder / Path(config["bpemodel"]).name) if config.get("bpemodel") else None
