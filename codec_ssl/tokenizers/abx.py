"""ABX error of tokens, by fastabx: can triphones that differ in their middle be told apart?

X is of A's kind; it is an error if X is nearer to B, after dynamic time warping. Within speaker,
all three are by one speaker; across, X is by another one. 0.5 is chance.

Letters: N frames of all utterances, B utterances.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from codec_ssl.data.alignment import Segment

# As the ZeroSpeech challenge draws them.
MAX_SIZE_GROUP, MAX_X_ACROSS = 10, 5
_CONTEXT = ("prev-phone", "next-phone")


@dataclass(frozen=True)
class ABXItems:
    """Triphones and where they lie.

    Attributes:
        spans: First and past-the-last frame among the N of each item (I, 2).
        labels: Phone, its neighbours and the speaker of each item, columns of length I.
    """

    spans: np.ndarray
    labels: Mapping[str, Sequence[str]]

    def __len__(self) -> int:
        return len(self.spans)


def abx_items(
    alignments: Mapping[str, Sequence[Segment]],
    speakers: Mapping[str, str],
    utt_ids: Sequence[str],
    lengths: np.ndarray,
    frame_rate: float,
) -> ABXItems:
    """Find the triphones of utterances; phones without a neighbour on either side are none.

    Args:
        alignments: Phones of each utterance that has any.
        speakers: Speaker of each utterance.
        utt_ids: Utterances (B).
        lengths: Frames of each (B,).
        frame_rate: Frames a second.
    """
    spans: list[tuple[int, int]] = []
    labels: dict[str, list[str]] = {name: [] for name in ("#phone", *_CONTEXT, "speaker")}
    for utt, first, length in zip(utt_ids, np.cumsum(lengths) - lengths, lengths, strict=True):
        phones = alignments.get(utt, ())
        for before, (phone, after) in zip(phones, pairwise(phones[1:]), strict=False):
            start = max(0, round(before.start * frame_rate))
            end = min(int(length), round(after.end * frame_rate))
            joined = before.end == phone.start and phone.end == after.start
            if start < end and joined and all(s.label for s in (before, phone, after)):
                spans.append((int(first) + start, int(first) + end))
                values = (phone.label, before.label, after.label, speakers[utt])
                for column, value in zip(labels.values(), values, strict=True):
                    column.append(value)
    return ABXItems(np.array(spans, dtype=np.int64).reshape(-1, 2), labels)


def abx_error(
    frames: np.ndarray, items: ABXItems, across: bool, device: str = "cpu", seed: int = 0
) -> float | None:
    """ABX error rate.

    Args:
        frames: Tokens (N,) or (N, 1), of which equal ones have distance 0 and others 1; or vectors
            (N, D), whose distance is their angle.
        items: Triphones.
        across: Whether X is by another speaker than A and B.
        device: Where to compute distances.
        seed: Of drawing items and triplets.

    Returns:
        The mean error over pairs of phones, speakers and contexts; None if there are no triplets.
    """
    import polars
    from fastabx import Dataset, InMemoryAccessor, Score, Subsampler, Task

    if not len(items):
        return None
    is_token = np.issubdtype(frames.dtype, np.integer)
    data = torch.from_numpy(frames.astype(np.float32).reshape(len(frames), -1))
    places = dict(enumerate(map(tuple, items.spans.tolist())))
    accessor = InMemoryAccessor(places, data, torch.device(device))
    dataset = Dataset(polars.DataFrame(dict(items.labels)), accessor)
    by, over = ([*_CONTEXT], ["speaker"]) if across else ([*_CONTEXT, "speaker"], None)
    subsampler = Subsampler(MAX_SIZE_GROUP, MAX_X_ACROSS if across else None, seed)
    task = Task(dataset, on="#phone", by=by, across=over, subsampler=subsampler)
    if not len(task):
        return None
    score = Score(task, "identical" if is_token else "angular", progress=False)
    return score.collapse(levels=[_CONTEXT[::-1], "speaker"])
