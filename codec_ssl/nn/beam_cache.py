"""Keys and values kept while hypotheses grow by one token at a time.

All hypotheses of an utterance share what lies before them, so its keys and values are kept once
an utterance, not once a hypothesis: with five hypotheses that is a fifth of the memory, and of
what every step has to read.

Legend: B utterances, W hypotheses of each, R = B * W rows, T frames of the longest prefix, N
frames of all prefixes together, S steps so far, H heads, E width of a head.
"""

import torch
from torch import Tensor

from codec_ssl.nn.packed import PackedLayout


class BeamCache:
    """Keys and values of one attention layer: prefixes, and what each hypothesis added.

    Args:
        layout: Where the prefixes lie in the pass that fills the cache. Keep their lengths alike:
            they are padded here.
    """

    def __init__(self, layout: PackedLayout) -> None:
        self._layout = layout
        self._prefix: tuple[Tensor, Tensor] | None = None
        self._grown: tuple[Tensor, Tensor] | None = None
        steps = torch.arange(layout.max_length, device=layout.owner.device)
        self._unseen = (steps >= layout.starts.diff().unsqueeze(1))[:, None, None]

    @property
    def is_filled(self) -> bool:
        """Whether the prefixes are there, so that hypotheses can grow."""
        return self._prefix is not None

    def fill(self, k: Tensor, v: Tensor) -> None:
        """Keep keys and values of the prefixes, each ``(N, H, E)``."""
        # Laid out as the products of every later step read them.
        self._prefix = tuple(self._layout.pad(x).transpose(1, 2).contiguous() for x in (k, v))

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Add a token to each hypothesis and attend from it to all before it and to itself.

        Args:
            q: Queries of the new tokens ``(R, H, E)``, hypotheses of an utterance together.
            k: Their keys.
            v: Their values.

        Returns:
            ``(R, H, E)``.
        """
        new = [x.unsqueeze(2) for x in (k, v)]
        if self._grown is not None:
            new = [torch.cat(pair, dim=2) for pair in zip(self._grown, new, strict=True)]
        self._grown = (new[0], new[1])
        (early_k, early_v), (late_k, late_v) = self._prefix, self._grown
        q = q * q.size(2) ** -0.5
        early = _by_utterance(q, len(early_k)) @ early_k.transpose(2, 3)
        early = early.masked_fill(self._unseen, -torch.inf)  # (B, H, W, T)
        late = (q.unsqueeze(2) @ late_k.transpose(2, 3)).squeeze(2)  # (R, H, S)
        weights = torch.cat((early, _by_utterance(late, len(early_k))), dim=3).softmax(3)
        early, late = weights.split([early.size(3), late.size(2)], dim=3)
        out = _by_row(early.to(early_v.dtype) @ early_v)
        late = _by_row(late).unsqueeze(2).to(late_v.dtype)
        return out + (late @ late_v).squeeze(2)

    def reorder(self, parents: Tensor) -> None:
        """Continue with other hypotheses: row r with the past of row ``parents[r]``, ``(R,)``."""
        if self._grown is not None:
            self._grown = tuple(x.index_select(0, parents) for x in self._grown)

    def keep(self, utterances: Tensor) -> None:
        """Drop all utterances but these ``(B',)``; rows of the dropped ones go with them."""
        if self._grown is not None:
            count = len(self._unseen)
            self._grown = tuple(
                x.unflatten(0, (count, -1)).index_select(0, utterances).flatten(0, 1)
                for x in self._grown
            )
        self._prefix = tuple(x.index_select(0, utterances) for x in self._prefix)
        self._unseen = self._unseen.index_select(0, utterances)


def _by_utterance(rows: Tensor, count: int) -> Tensor:
    """``(B * W, H, X)`` to ``(B, H, W, X)``."""
    return rows.unflatten(0, (count, -1)).transpose(1, 2)


def _by_row(grouped: Tensor) -> Tensor:
    """``(B, H, W, X)`` to ``(B * W, H, X)``."""
    return grouped.transpose(1, 2).flatten(0, 1)
