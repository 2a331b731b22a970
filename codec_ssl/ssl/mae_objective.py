"""What EnCodecMAE predicts: a codec's codes, k-means labels, or both (arXiv 2309.07391).

Legend: N frames of all utterances, M of them masked, Q codebooks, D width.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codec_ssl.errors import ConfigError
from codec_ssl.nn.codebook_heads import CodebookHeads
from codec_ssl.ssl.targets import prediction_stats

CODES, LABELS = "codes", "labels"
TARGETS = ("codes", "labels", "both")
# About the share of the latent's variance that each of EnCodec's first codebooks explains.
CODE_WEIGHTS = (
    0.22407463,
    0.1759858,
    0.14499009,
    0.12150037,
    0.10315603,
    0.08831368,
    0.07608274,
    0.06589669,
)


def streams_of(target: str) -> tuple[str, ...]:
    """Names of the streams that a target predicts.

    Raises:
        ConfigError: There is no such target.
    """
    if target not in TARGETS:
        raise ConfigError(f"target must be one of {', '.join(TARGETS)}, not {target!r}")
    return (CODES, LABELS) if target == "both" else (target,)


class WeightedPrediction(nn.Module):
    """Weighted cross entropy of several streams, at masked and at visible frames.

    With the weights g of the streams, the loss is w * mean over masked frames of sum g CE, plus
    (1 - w) * mean over visible frames of the same. Frames are packed, so padding counts nowhere;
    in the authors' code padded frames count as visible ones.

    Args:
        dim: Width D.
        target: ``codes``, ``labels`` or ``both``.
        sizes: Entries of each codebook; the first ``len(code_weights)`` are predicted.
        num_classes: Number of labels.
        code_weights: Weight of each codebook that is predicted, the first ones.
        label_weight: Weight of the labels.
        masked_weight: w.

    Raises:
        ConfigError: There are fewer codebooks than weights, sizes are missing, or w isn't in
            [0, 1].
    """

    def __init__(
        self,
        dim: int,
        target: str = "codes",
        sizes: Sequence[int] | None = None,
        num_classes: int | None = None,
        code_weights: Sequence[float] = CODE_WEIGHTS,
        label_weight: float = 1.0,
        masked_weight: float = 0.9,
    ) -> None:
        super().__init__()
        if not 0.0 <= masked_weight <= 1.0:
            raise ConfigError(f"masked_weight must be in [0, 1], not {masked_weight}")
        self.masked_weight = masked_weight
        self.heads = nn.ModuleDict()
        for stream in streams_of(target):
            if stream == CODES:
                sizes_used, weights = _code_sizes(sizes, code_weights), list(code_weights)
            else:
                sizes_used, weights = [_class_count(num_classes)], [label_weight]
            self.heads[stream] = CodebookHeads(dim, sizes_used)
            self.register_buffer(f"{stream}_weights", torch.tensor(weights), persistent=False)

    def forward(
        self, hidden: Tensor, masked: Tensor, visible: Tensor, targets: Mapping[str, Tensor | None]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the loss.

        Args:
            hidden: Outputs of the decoder ``(N, D)``.
            masked: Indices of masked frames ``(M,)``.
            visible: Indices of the others ``(N - M,)``.
            targets: ``codes`` (N, Q or more) and ``labels`` (N, 1), as far as they are predicted.

        Returns:
            The loss and detached statistics: the two means, and of masked frames accuracy,
            perplexities and usage (those of labels begin with ``label_`` where codes are there).

        Raises:
            ConfigError: A stream to predict is missing.
        """
        sums, stats = hidden.new_zeros(2, dtype=torch.float32), {}
        for stream, head in self.heads.items():
            wanted = _needed(targets.get(stream), stream)[:, : head.absent.size(0)]
            logits = head(hidden).float()
            entropy = F.cross_entropy(
                logits.flatten(0, 1), wanted.flatten(), reduction="none"
            ).view_as(wanted)
            weighted = (entropy * getattr(self, f"{stream}_weights")).sum(1)
            sums = sums + torch.stack([_mean(weighted, masked), _mean(weighted, visible)])
            best = logits.detach().argmax(-1)
            found = prediction_stats(
                best.index_select(0, masked), wanted.index_select(0, masked), head.size
            )
            prefix = "label_" if stream == LABELS and len(self.heads) > 1 else ""
            stats |= {prefix + name: value for name, value in found.items()}
        loss = self.masked_weight * sums[0] + (1.0 - self.masked_weight) * sums[1]
        means = sums.detach()
        return loss, {"loss_masked": means[0], "loss_visible": means[1], **stats}


def _mean(values: Tensor, chosen: Tensor) -> Tensor:
    """Mean over some frames, 0 over none."""
    return values.index_select(0, chosen).sum() / max(chosen.numel(), 1)


def _needed(targets: Tensor | None, stream: str) -> Tensor:
    if targets is None:
        stage = "tokens" if stream == CODES else "labels"
        raise ConfigError(f"the target needs {stream}, found none", stage=stage)
    return targets


def _code_sizes(sizes: Sequence[int] | None, weights: Sequence[float]) -> list[int]:
    if sizes is None or len(sizes) < len(weights) or not weights:
        raise ConfigError(
            f"target_conf: expected a codebook for each of the code_weights {list(weights)}, found"
            f" sizes {sizes}"
        )
    return list(sizes[: len(weights)])


def _class_count(num_classes: int | None) -> int:
    if num_classes is None:
        raise ConfigError("target_conf: expected num_classes of the labels, found none")
    return num_classes
