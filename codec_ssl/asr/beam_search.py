"""Batched beam search (RepCodec, appendix B.2: five hypotheses, no length penalty).

A hypothesis ends when the end is among the best W continuations of all W hypotheses together. A
search stops as soon as no hypothesis that still grows can overtake those that have ended, which is
exact because log-probabilities only fall.

Legend: B utterances, W hypotheses of each, C continuations that are looked at, S pieces so far,
V pieces.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from codec_ssl.asr.text import END
from codec_ssl.errors import ConfigError


@dataclass(frozen=True)
class SearchOptions:
    """How to search.

    Attributes:
        beam: Hypotheses kept at each step, W; 1 is greedy.
        nbest: Hypotheses wanted, at most W.
        max_ratio: Pieces may be so many a frame of speech ...
        max_extra: ... and so many more.
        min_ratio: Pieces must be so many a frame.
        length_penalty: Scores are divided by (pieces + 1) to this power; 0 does nothing.

    Raises:
        ConfigError: A value is out of range.
    """

    beam: int = 5
    nbest: int = 1
    max_ratio: float = 0.5
    max_extra: int = 10
    min_ratio: float = 0.0
    length_penalty: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.nbest <= self.beam:
            raise ConfigError(f"expected 1 <= nbest <= beam, found {self.nbest} and {self.beam}")
        if not 0.0 <= self.min_ratio <= self.max_ratio or self.max_extra < 0:
            raise ConfigError(
                "expected 0 <= min_ratio <= max_ratio and 0 <= max_extra, found "
                f"{self.min_ratio}, {self.max_ratio} and {self.max_extra}"
            )
        if self.length_penalty < 0.0:
            raise ConfigError(f"expected a length_penalty from 0, found {self.length_penalty}")

    def limits(self, frames: Sequence[int]) -> tuple[list[int], list[int]]:
        """Least and greatest number of pieces for utterances of so many frames."""
        least = [int(self.min_ratio * count) for count in frames]
        return least, [int(self.max_ratio * count) + self.max_extra for count in frames]


@dataclass(frozen=True)
class Hypothesis:
    """One transcript.

    Attributes:
        pieces: Its pieces, without the end.
        score: Log-probability with the end, after the length penalty.
        cut: Whether it had to end at the length limit.
    """

    pieces: list[int]
    score: float
    cut: bool


class Scorer(Protocol):
    """What a search asks; see :class:`codec_ssl.asr.growing.GrowingHypotheses`."""

    def first(self) -> Tensor:
        """Log-probabilities of the first piece ``(B, V)``."""
        ...

    def advance(self, pieces: Tensor, parents: Tensor) -> Tensor:
        """Continue hypotheses ``parents`` with ``pieces``, both ``(B, W)``; ``(B, W, V)``."""
        ...

    def keep(self, utterances: Tensor) -> None:
        """Drop all utterances but these ``(B',)``."""
        ...


class _Beam(NamedTuple):
    """State of the utterances that are still searched.

    Attributes:
        scores: Of hypotheses that grow ``(B, W)``; -inf where there is none.
        pieces: Theirs ``(B, W, S)``.
        ended_scores: Of those that ended ``(B, W)``, best first, -inf where there is none.
        ended_pieces: Theirs ``(B, W, S + 1)``, the end included and repeated.
        ended_lengths: Their number of pieces ``(B, W)``.
        least: Least number of pieces ``(B,)``.
        most: Greatest number of pieces ``(B,)``.
    """

    scores: Tensor
    pieces: Tensor
    ended_scores: Tensor
    ended_pieces: Tensor
    ended_lengths: Tensor
    least: Tensor
    most: Tensor

    def keep(self, utterances: Tensor) -> "_Beam":
        """Drop all utterances but these ``(B',)``."""
        return _Beam(*(value.index_select(0, utterances) for value in self))


def beam_search(
    scorer: Scorer, frames: Sequence[int], options: SearchOptions
) -> list[list[Hypothesis]]:
    """Search transcripts for a batch.

    Args:
        scorer: The model, which has read the speech.
        frames: Frames of each utterance, for the length limits.
        options: How to search.

    Returns:
        For each utterance its hypotheses, best first: ``options.nbest`` of them, or fewer where
        the limits allow no more.
    """
    log_probs = scorer.first().unsqueeze(1)
    beam = _begin(frames, options, log_probs)
    found: list[list[Hypothesis]] = [[] for _ in frames]
    searched = list(range(len(frames)))
    while True:
        beam, chosen, parents = _step(beam, log_probs, options)
        done = _is_done(beam, options).tolist()  # the only wait for the device in a step
        # Copying caches costs about as much as reading them twice: not for every one that ends.
        if 2 * sum(done) >= len(done):
            ended = [row for row, is_done in enumerate(done) if is_done]
            for row, hypotheses in zip(ended, _collect(beam, ended, options), strict=True):
                found[searched[row]] = hypotheses
            rest = [row for row, is_done in enumerate(done) if not is_done]
            if not rest:
                return found
            rows = torch.tensor(rest, device=chosen.device)
            searched = [searched[row] for row in rest]
            beam, chosen, parents = beam.keep(rows), chosen[rows], parents[rows]
            scorer.keep(rows)
        log_probs = scorer.advance(chosen, parents)


def _begin(frames: Sequence[int], options: SearchOptions, log_probs: Tensor) -> _Beam:
    count, device = len(frames), log_probs.device
    least, most = options.limits(frames)
    return _Beam(
        scores=torch.zeros(count, 1, device=device),
        pieces=torch.empty(count, 1, 0, dtype=torch.int64, device=device),
        ended_scores=torch.full((count, options.beam), -torch.inf, device=device),
        ended_pieces=torch.empty(count, options.beam, 0, dtype=torch.int64, device=device),
        ended_lengths=torch.zeros(count, options.beam, dtype=torch.int64, device=device),
        least=torch.tensor(least, device=device),
        most=torch.tensor(most, device=device),
    )


def _step(beam: _Beam, log_probs: Tensor, options: SearchOptions) -> tuple[_Beam, Tensor, Tensor]:
    """Continue every hypothesis by one piece.

    Args:
        beam: The state.
        log_probs: Of the next piece, ``(B, W, V)``.
        options: How to search.

    Returns:
        The new state; piece and parent of each hypothesis that grows on, both ``(B, W')``.
    """
    length, vocab_size = beam.pieces.size(2), log_probs.size(2)
    totals = beam.scores.unsqueeze(2) + log_probs
    is_end = torch.arange(vocab_size, device=totals.device) == END
    totals = totals.masked_fill((beam.most <= length)[:, None, None] & ~is_end, -torch.inf)
    totals = totals.masked_fill((beam.least > length)[:, None, None] & is_end, -torch.inf)
    # Each hypothesis has one end, so among the best 2 W there are W that grow, if so many exist.
    count = min(2 * options.beam, totals[0].numel())
    scores, picked = totals.flatten(1).topk(count, dim=1)
    parents, chosen = picked // vocab_size, picked % vocab_size
    histories = _rows(beam.pieces, parents)
    histories = torch.cat((histories, chosen.unsqueeze(2)), dim=2)  # (B, C, S + 1)
    ends = chosen == END
    first_ranks = torch.arange(count, device=ends.device) < options.beam
    ended = _end(beam, histories, scores.masked_fill(~(ends & first_ranks), -torch.inf), options)
    grown, rows = scores.masked_fill(ends, -torch.inf).topk(min(options.beam, count), dim=1)
    beam = beam._replace(scores=grown, pieces=_rows(histories, rows), **ended)
    return beam, chosen.gather(1, rows), parents.gather(1, rows)


def _end(
    beam: _Beam, histories: Tensor, scores: Tensor, options: SearchOptions
) -> dict[str, Tensor]:
    """Keep the best W of those that had ended and of those that end now.

    Args:
        beam: The state.
        histories: Pieces of the continuations ``(B, C, S + 1)``.
        scores: Their scores ``(B, C)``, -inf for all that does not end now.
        options: How to search.
    """
    length = histories.size(2) - 1
    scores = scores / (length + 1) ** options.length_penalty
    lengths = torch.full_like(scores, length, dtype=torch.int64)
    padded = torch.nn.functional.pad(
        beam.ended_pieces, (0, length + 1 - beam.ended_pieces.size(2)), value=END
    )
    best, rows = torch.cat((beam.ended_scores, scores), 1).topk(options.beam, dim=1)
    return {
        "ended_scores": best,
        "ended_pieces": _rows(torch.cat((padded, histories), 1), rows),
        "ended_lengths": torch.cat((beam.ended_lengths, lengths), 1).gather(1, rows),
    }


def _is_done(beam: _Beam, options: SearchOptions) -> Tensor:
    """Whether nothing can change the best ones of an utterance any more, bool ``(B,)``."""
    best = beam.scores.amax(1)
    # Log-probabilities fall with every piece; what a penalty may give back is known as well.
    bound = best / (beam.most + 1) ** options.length_penalty
    return (beam.ended_scores[:, options.nbest - 1] >= bound) | (best == -torch.inf)


def _collect(beam: _Beam, rows: Sequence[int], options: SearchOptions) -> list[list[Hypothesis]]:
    """Read the hypotheses of some utterances from the device."""
    scores, pieces, lengths, most = (
        value[list(rows)].tolist()
        for value in (beam.ended_scores, beam.ended_pieces, beam.ended_lengths, beam.most)
    )
    return [
        [
            Hypothesis(pieces[row][rank][: lengths[row][rank]], score, lengths[row][rank] == limit)
            for rank, score in enumerate(scores[row][: options.nbest])
            if score > -float("inf")
        ]
        for row, limit in enumerate(most)
    ]


def _rows(values: Tensor, rows: Tensor) -> Tensor:
    """Rows ``(B, C)`` of ``(B, X, S)``: ``(B, C, S)``."""
    return values.gather(1, rows.unsqueeze(2).expand(-1, -1, values.size(2)))
