"""The model as a beam search wants it: log-probabilities of the next piece, from cached layers.

Legend: B utterances, W hypotheses of each, N frames of all utterances, D width, V pieces.
"""

import torch
from torch import Tensor

from codec_ssl.asr.decoder_only import DecoderOnlyASR
from codec_ssl.asr.sequences import SpeechTextLayout
from codec_ssl.nn.beam_cache import BeamCache
from codec_ssl.nn.packed import PackedLayout


class GrowingHypotheses:
    """Hypotheses of a batch of utterances, growing by one piece at a time.

    Args:
        model: In eval mode.
        speech: Units of all utterances end to end ``(N, Q)``, or features ``(N, F)``.
        lengths: Frames of each utterance ``(B,)``; alike, since the cache pads to the longest.
    """

    @torch.no_grad()
    def __init__(self, model: DecoderOnlyASR, speech: Tensor, lengths: Tensor) -> None:
        self._model = model
        speech, lengths = model.frames(speech, lengths, training=False)
        layout = SpeechTextLayout.from_lengths(lengths, torch.zeros_like(lengths), speech.device)
        starts = torch.full((len(lengths),), model.start, device=speech.device)
        x = layout.join(model.speech(speech), model.embed(starts))
        self._caches = [BeamCache(layout.whole) for _ in range(model.decoder.num_layers)]
        hidden = model.decoder(x, layout.whole, caches=self._caches).last
        self._first = hidden.index_select(0, layout.text_rows)
        self._position = lengths.to(speech.device) + 1
        self._width = 1

    @torch.no_grad()
    def first(self) -> Tensor:
        """Log-probabilities of the first piece, ``(B, V)`` float32."""
        return self._log_probs(self._first)

    @torch.no_grad()
    def advance(self, pieces: Tensor, parents: Tensor) -> Tensor:
        """Add a piece to each hypothesis.

        Args:
            pieces: Piece to add ``(B, W)``.
            parents: Hypothesis of the step before that it continues ``(B, W)``.

        Returns:
            Log-probabilities of the piece after it, ``(B, W, V)`` float32.
        """
        count, width = pieces.shape
        first = torch.arange(count, device=pieces.device).unsqueeze(1) * self._width
        rows = (first + parents).flatten()
        for cache in self._caches:
            cache.reorder(rows)
        layout = PackedLayout.of_next(self._position.repeat_interleave(width))
        x = self._model.embed(pieces.flatten())
        hidden = self._model.decoder(x, layout, caches=self._caches).last
        self._position = self._position + 1
        self._width = width
        return self._log_probs(hidden).unflatten(0, (count, width))

    def keep(self, utterances: Tensor) -> None:
        """Go on with these utterances only ``(B',)``."""
        for cache in self._caches:
            cache.keep(utterances)
        self._position = self._position.index_select(0, utterances)

    def _log_probs(self, hidden: Tensor) -> Tensor:
        return self._model.head(hidden).float().log_softmax(-1)
