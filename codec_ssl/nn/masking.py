"""Span masking of HuBERT and wav2vec 2.0 on packed batches.

Legend: B utterances, N frames of all utterances together, T frames of one, L span length.
For long utterances prob 0.8 with L 10 starts a span at 8 % of the frames; since spans overlap,
1 - (1 - 0.08)^10 = 56.6 % of the frames end up masked (not 80 %, and not 8 %).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class SpanMasking:
    """Draws static spans that may overlap (Codec2Vec section III; HuBERT's own values).

    Attributes:
        prob: Span starts a frame, times the span length.
        length: Frames of a span, L.
        min_masks: Least number of spans in an utterance (HuBERT 2, DinoSR 1).
        same_count: Unmask frames at random until every utterance has as many masked frames as
            the one that has fewest, as DinoSR does.
    """

    prob: float = 0.8
    length: int = 10
    min_masks: int = 2
    same_count: bool = False

    def __post_init__(self) -> None:
        if not 0.0 < self.prob <= self.length or self.length < 1 or self.min_masks < 0:
            raise ValueError(f"span masking cannot work with {self}")

    def __call__(self, lengths: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw a mask.

        Args:
            lengths: Frames of each utterance, ``(B,)``, at least 1.
            generator: Source of randomness on the CPU; None takes torch's default one.

        Returns:
            True where a frame is masked, bool ``(N,)`` on the CPU: drawn there, a seed gives the
            same mask on every device, and the number of masked frames is known without waiting.
        """
        lengths = lengths.to("cpu", torch.int64)
        mask = self._cover(lengths, *self._starts(lengths, generator))
        return _equalise(mask, lengths, generator) if self.same_count else mask

    def _starts(self, lengths: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Draw span starts without replacement: (utterance, place in it) of each span."""
        noise = torch.rand(lengths.shape, generator=generator, dtype=torch.float64)
        count = (self.prob * lengths / self.length + noise).floor().long().clamp(self.min_masks)
        # The published algorithm draws from T - L places, or from count + 1 in a short utterance.
        places = torch.where(lengths - self.length > count, lengths - self.length, count + 1)
        owner, place = _draw(places, count, generator)
        inside = place < lengths[owner]
        return owner[inside], place[inside]

    def _cover(self, lengths: Tensor, owner: Tensor, place: Tensor) -> Tensor:
        """Mark L frames from each start, cut at the end of the utterance."""
        ends = lengths.cumsum(0)
        first = (ends - lengths)[owner] + place
        last = torch.minimum(first + self.length, ends[owner])
        edges = torch.zeros(int(ends[-1]) + 1, dtype=torch.int32)
        edges.index_add_(0, first, torch.ones_like(first, dtype=torch.int32))
        edges.index_add_(0, last, torch.full_like(last, -1, dtype=torch.int32))
        return edges[:-1].cumsum(0) > 0


def _draw(
    sizes: Tensor, counts: Tensor, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Draw counts[i] of range(sizes[i]) without replacement, for every i at once.

    Each candidate gets a random key and the smallest keys of a group win, so one sort by
    (group, key) replaces a loop over groups.
    """
    owner = torch.repeat_interleave(sizes)
    key = owner + torch.rand(owner.shape, generator=generator, dtype=torch.float64)
    begin = (sizes.cumsum(0) - sizes)[owner]
    rank = torch.arange(owner.numel()) - begin
    place = key.argsort() - begin
    chosen = rank < counts[owner]
    return owner[chosen], place[chosen]


def _equalise(mask: Tensor, lengths: Tensor, generator: torch.Generator | None) -> Tensor:
    """Keep as many masked frames in each utterance as the one with fewest has."""
    masked = mask.nonzero().squeeze(1)
    counts = torch.bincount(torch.repeat_interleave(lengths)[masked], minlength=lengths.numel())
    owner, place = _draw(counts, counts.min().expand_as(counts), generator)
    kept = masked[(counts.cumsum(0) - counts)[owner] + place]
    return torch.zeros_like(mask).index_fill_(0, kept, True)


@dataclass(frozen=True)
class GapMasking:
    """Masks an exact share of each utterance, in gaps of equal length (EnCodecMAE).

    Gaps begin anywhere, uniformly, and may overlap; they are drawn until enough frames are masked.
    The excess is then unmasked at the beginning of the run of masked frames that the first gap
    lies in, so that at most one run is shorter than a gap. (The authors unmask it at the beginning
    of that gap itself; where another one overlaps it there, that leaves two short runs.)

    Attributes:
        proportion: Share of the frames of an utterance; T frames get exactly int(share * T) masked.
        gap: Frames of a gap.

    Raises:
        ValueError: The proportion is not in [0, 1), or the gap is shorter than a frame.
    """

    proportion: float = 0.5
    gap: int = 15

    def __post_init__(self) -> None:
        if not 0.0 <= self.proportion < 1.0 or self.gap < 1:
            raise ValueError(f"gap masking cannot work with {self}")

    def __call__(self, lengths: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw a mask, see ``SpanMasking.__call__``.

        Drawing gaps one after another until enough is covered comes to the same as giving each
        possible beginning a random key and taking those with the smallest: a frame is then covered
        with the smallest key among the beginnings that reach it.
        """
        lengths = lengths.to("cpu", torch.int64)
        longest = int(lengths.max())
        keys = self._keys(lengths, longest, generator)
        frames = torch.arange(longest)
        inside = frames < lengths.unsqueeze(1)
        covered = self._covered(keys)[:, :longest].masked_fill(~inside, torch.inf)
        wanted = (self.proportion * lengths.double()).long()
        # The key of the last gap that was needed; none, where no frame is wanted.
        last = covered.sort(1).values.gather(1, (wanted - 1).clamp(min=0).unsqueeze(1))
        mask = (covered <= last) & (wanted > 0).unsqueeze(1)
        excess = mask.sum(1) - wanted
        first = keys.argmin(1).unsqueeze(1)
        begin = torch.where(~mask & (frames < first), frames, -1).amax(1) + 1
        trimmed = frames - begin.unsqueeze(1)
        mask &= (trimmed < 0) | (trimmed >= excess.unsqueeze(1))
        return mask[inside]

    def _keys(self, lengths: Tensor, longest: int, generator: torch.Generator | None) -> Tensor:
        """Random key of each place where a gap may begin ``(B, P)``, infinite elsewhere."""
        num_places = max(longest - self.gap, 0) + 1
        keys = torch.rand((len(lengths), num_places), generator=generator, dtype=torch.float64)
        last_place = (lengths - self.gap).clamp(min=0).unsqueeze(1)
        return keys.masked_fill(torch.arange(num_places) > last_place, torch.inf)

    def _covered(self, keys: Tensor) -> Tensor:
        """Smallest key among the gaps that cover each frame ``(B, P + gap - 1)``."""
        padded = F.pad(-keys, (self.gap - 1, self.gap - 1), value=-torch.inf)
        return -F.max_pool1d(padded.unsqueeze(1), self.gap, stride=1).squeeze(1)
