"""How speech and text stand in one sequence: ``s_1 ... s_T <|transcribe|> y_1 ... y_S``.

Legend: B utterances, T frames of speech, S text pieces, N frames of all utterances, M text
positions of all (S + 1 an utterance), Q streams, D width.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from codec_ssl.asr.text import END
from codec_ssl.errors import TokenError
from codec_ssl.nn.packed import PackedLayout


@dataclass(frozen=True, eq=False)
class SpeechTextLayout:
    """Where speech and text of a packed batch lie, apart and in the joint sequences.

    Attributes:
        speech: Speech alone: T frames an utterance.
        text: Text alone: ``<|transcribe|>`` and S pieces an utterance.
        whole: The sequences: T + 1 + S places each.
        speech_rows: Place of each frame in the sequences, int64 ``(N,)``.
        text_rows: Place of each text position, int64 ``(M,)``.
    """

    speech: PackedLayout
    text: PackedLayout
    whole: PackedLayout
    speech_rows: Tensor
    text_rows: Tensor

    @classmethod
    def from_lengths(
        cls, frames: Tensor, pieces: Tensor, device: torch.device | str = "cpu"
    ) -> "SpeechTextLayout":
        """Lay out utterances.

        Args:
            frames: Frames of each utterance ``(B,)``, at least 1.
            pieces: Pieces of its text ``(B,)``, without the end; 0 in decoding.
            device: Where the index tensors are needed.
        """
        frames, pieces = frames.cpu(), pieces.cpu()
        speech = PackedLayout.from_lengths(frames, device)
        text = PackedLayout.from_lengths(pieces + 1, device)
        before, upto = speech.starts[:-1].long(), speech.starts[1:].long()
        earlier = text.starts[:-1].long()
        return cls(
            speech=speech,
            text=text,
            whole=PackedLayout.from_lengths(frames + pieces + 1, device),
            speech_rows=(before + earlier)[speech.owner] + speech.position,
            text_rows=(upto + earlier)[text.owner] + text.position,
        )

    def join(self, speech: Tensor, text: Tensor) -> Tensor:
        """Put frames ``(N, D)`` and text positions ``(M, D)`` in their places: ``(N + M, D)``."""
        both = torch.cat((speech, text))
        rows = torch.cat((self.speech_rows, self.text_rows))
        return torch.empty_like(both).index_copy(0, rows, both)

    def text_inputs(self, pieces: Tensor, start: int) -> Tensor:
        """What is read at each text position: ``start`` (M,) and then the pieces."""
        return self._shifted(pieces, start, 1)

    def text_targets(self, pieces: Tensor) -> Tensor:
        """What follows each text position: the pieces, then the end: int64 ``(M,)``."""
        return self._shifted(pieces, END, 0)

    def speech_targets(self, codes: Tensor, end: int) -> tuple[Tensor, Tensor]:
        """What follows each frame: the next one, and ``<|transcribe|>`` after the last.

        Args:
            codes: ``(N, Q)``.
            end: Class of ``<|transcribe|>``; it is of the first stream.

        Returns:
            Classes int64 ``(N, Q)``, and whether they count, float ``(N, Q)``: the other streams
            have nothing to say after the last frame.
        """
        targets = codes.roll(-1, 0)
        last = self.speech.starts[1:].long() - 1
        counted = torch.ones(codes.shape, device=codes.device).index_fill(0, last, 0.0)
        counted[:, 0] = 1.0
        targets = targets.index_fill(0, last, 0)
        targets[:, 0].index_fill_(0, last, end)
        return targets, counted

    def _shifted(self, pieces: Tensor, filler: int, gap: int) -> Tensor:
        """Pieces of all utterances with a filler before (gap 1) or behind (gap 0) each text."""
        count = len(self.text.owner)
        filled = torch.full((count,), filler, dtype=torch.int64, device=pieces.device)
        fillers = self.text.starts[:-1] if gap else self.text.starts[1:] - 1
        is_piece = torch.ones(count, dtype=torch.bool, device=pieces.device)
        is_piece = is_piece.index_fill(0, fillers.long(), False)
        return filled.masked_scatter(is_piece, pieces)


def check_units(utt_id: str, codes: np.ndarray, sizes: list[int]) -> None:
    """Refuse units that an embedding table would not hold.

    Args:
        utt_id: For the message.
        codes: ``(T, Q)``.
        sizes: K of each stream.

    Raises:
        TokenError: Naming the utterance, what was expected and what was found.
    """
    if codes.ndim != 2 or codes.shape[1] != len(sizes) or not len(codes):
        raise TokenError(
            f"utterance {utt_id}: expected units (T, {len(sizes)}), found shape {codes.shape}",
            stage="tokens",
        )
    low, high = codes.min(0), codes.max(0)
    if (low < 0).any() or (high >= sizes).any():
        raise TokenError(
            f"utterance {utt_id}: expected units in 0 ... K - 1 for K = {sizes}, found "
            f"{low.tolist()} to {high.tolist()}",
            stage="tokens",
        )
