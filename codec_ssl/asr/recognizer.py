"""Transcribing with a trained experiment: model, pieces and search put together.

Legend: T frames, Q streams, F width of continuous features.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from codec_ssl.asr.beam_search import Hypothesis, SearchOptions, beam_search
from codec_ssl.asr.decoder_only import DecoderOnlyASR, build_decoder_only
from codec_ssl.asr.frames import UnitEmbedding
from codec_ssl.asr.growing import GrowingHypotheses
from codec_ssl.asr.sequences import check_units
from codec_ssl.asr.speech import Speech, check_speech, describe
from codec_ssl.asr.text import Pieces
from codec_ssl.errors import CheckpointError, DataError
from codec_ssl.features.stream import batch_slices
from codec_ssl.train.checkpoint import digest_state, load_state_strict, load_weights

PIECES = "pieces"
BATCH_FRAMES = 20_000


@dataclass(frozen=True)
class Transcript:
    """What was heard.

    Attributes:
        text: Normalised as the pieces say.
        score: Log-probability, after the length penalty.
        cut: Whether the search ended it at its length limit.
    """

    text: str
    score: float
    cut: bool


class Recognizer:
    """Transcribes units or features.

    Args:
        model: The model; it is put into eval mode.
        pieces: The pieces that it was trained with.
        options: How to search.
        batch_frames: Most padded frames in a batch (one utterance at least).

    Attributes:
        fingerprint: SHA-256 over weights and pieces.
    """

    def __init__(
        self,
        model: DecoderOnlyASR,
        pieces: Pieces,
        options: SearchOptions | None = None,
        batch_frames: int = BATCH_FRAMES,
    ) -> None:
        self.model = model.eval()
        self.pieces = pieces
        self.options = options or SearchOptions()
        self.batch_frames = batch_frames
        digest = hashlib.sha256(pieces.fingerprint.encode())
        digest_state(digest, model.state_dict())
        self.fingerprint = digest.hexdigest()

    @staticmethod
    def describe(speech: Speech) -> dict[str, str | None]:
        """What tables call the speech."""
        return describe(speech)

    @property
    def normalization(self) -> dict[str, str]:
        """What is done to transcripts, as plain values."""
        return vars(self.pieces.normalization)

    def __call__(self, speech: Mapping[str, np.ndarray]) -> Iterator[tuple[str, Transcript]]:
        """Transcribe utterances, the shortest first.

        Args:
            speech: Units ``(T, Q)`` or features ``(T, F)`` of each utterance.

        Yields:
            Utterance ids with their transcripts.

        Raises:
            TokenError: Units are out of range, or of another number of streams.
            DataError: Features are of another width.
        """
        for utt_id, frames in speech.items():
            self._check(utt_id, frames)
        utt_ids = sorted(speech, key=lambda utt_id: (len(speech[utt_id]), utt_id))
        lengths = [len(speech[utt_id]) for utt_id in utt_ids]
        for begin, end in batch_slices(lengths, self.batch_frames):
            batch = [speech[utt_id] for utt_id in utt_ids[begin:end]]
            found = self._search(np.concatenate(batch), lengths[begin:end])
            for utt_id, (best, *_) in zip(utt_ids[begin:end], found, strict=True):
                text = self.pieces.decode(best.pieces)
                yield utt_id, Transcript(text, best.score, best.cut)

    @torch.no_grad()
    def text_losses(
        self, speech: Mapping[str, np.ndarray], texts: Mapping[str, str]
    ) -> dict[str, tuple[float, int]]:
        """How likely the model finds transcripts.

        Args:
            speech: Units ``(T, Q)`` or features ``(T, F)`` of each utterance.
            texts: Its transcript.

        Returns:
            Negative log-likelihood of the transcript with its end, and its pieces with the end.

        Raises:
            TokenError: Units are out of range, or of another number of streams.
            DataError: Features are of another width.
        """
        utt_ids = sorted(texts, key=lambda utt_id: (len(speech[utt_id]), utt_id))
        pieces = {utt_id: torch.from_numpy(self.pieces.encode(texts[utt_id])) for utt_id in utt_ids}
        losses: dict[str, tuple[float, int]] = {}
        for begin, end in batch_slices([len(speech[u]) for u in utt_ids], self.batch_frames):
            some = utt_ids[begin:end]
            for utt_id in some:
                self._check(utt_id, speech[utt_id])
            frames = torch.tensor([len(speech[utt_id]) for utt_id in some])
            counts = torch.tensor([len(pieces[utt_id]) for utt_id in some])
            text = torch.cat([pieces[utt_id] for utt_id in some])
            packed = self._packed(np.concatenate([speech[utt_id] for utt_id in some]))
            found = self.model.text_losses(packed, frames, text.to(packed.device), counts)
            rows = zip(some, found.tolist(), (counts + 1).tolist(), strict=True)
            losses |= {utt_id: (loss, count) for utt_id, loss, count in rows}
        return losses

    def _packed(self, frames: np.ndarray) -> torch.Tensor:
        packed = torch.from_numpy(frames).to(self.model.head.weight.device)
        return packed.float() if packed.is_floating_point() else packed

    def _search(self, frames: np.ndarray, lengths: list[int]) -> list[list[Hypothesis]]:
        growing = GrowingHypotheses(self.model, self._packed(frames), torch.tensor(lengths))
        return beam_search(growing, lengths, self.options)

    def _check(self, utt_id: str, frames: np.ndarray) -> None:
        if isinstance(self.model.speech, UnitEmbedding):
            check_units(utt_id, frames, list(self.model.speech.lookup.sizes))
            return
        width = self.model.speech.in_features // self.model.frames.count
        if frames.ndim != 2 or frames.shape[1] != width or not len(frames):
            raise DataError(
                f"utterance {utt_id}: expected features (T, {width}), found shape {frames.shape}",
                stage="features",
            )


@dataclass(frozen=True)
class Experiment:
    """A trained experiment, ready for decoding.

    Attributes:
        path: Its directory.
        checkpoint: Which weights were loaded.
        config: Content of its ``config.yaml``.
        recognizer: Its model.
    """

    path: Path
    checkpoint: str
    config: dict[str, Any]
    recognizer: Recognizer

    def check(self, speech: Speech) -> None:
        """Refuse speech of another tokenizer or encoder than the training's.

        Raises:
            CheckpointError: Naming both.
        """
        train = self.config["data_record"]["train"]
        recorded = {key: value for key, value in train.items() if key != "text"}
        check_speech(speech, recorded, self.path)


def load_experiment(
    exp_dir: str | Path,
    checkpoint: str = "best",
    device: str | torch.device = "cpu",
    options: SearchOptions | None = None,
    batch_frames: int = BATCH_FRAMES,
) -> Experiment:
    """Load a model with the pieces beside it.

    Args:
        exp_dir: Experiment directory of ``decoder_only_asr_train``.
        checkpoint: ``best``, ``latest`` or an epoch number.
        device: Where to compute.
        options: How to search.
        batch_frames: Most padded frames in a batch.

    Raises:
        CheckpointError: Something is missing, damaged, or the pieces are not the training's.
    """
    folder = Path(exp_dir)
    config, state = load_weights(folder, checkpoint, prefix="asr.")
    pieces = Pieces(folder / PIECES)
    trained_with = ((config.get("data_record") or {}).get(PIECES) or {}).get("fingerprint")
    if pieces.fingerprint != trained_with:
        raise CheckpointError(
            f"{pieces.path}: expected the pieces of the training, {trained_with}, found "
            f"{pieces.fingerprint}",
            stage="train",
        )
    model = build_decoder_only(config)
    load_state_strict(model, state, str(folder))
    recognizer = Recognizer(model.to(device), pieces, options, batch_frames)
    return Experiment(folder, checkpoint, config, recognizer)
