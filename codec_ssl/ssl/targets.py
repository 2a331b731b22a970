"""What Codec2Vec predicts at masked frames: codes, cluster labels, or a teacher's clusters.

Legend: N frames of all utterances together, M masked frames, Q codebooks, G label streams,
K classes of a stream, D width of the encoder.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codec_ssl.errors import ConfigError
from codec_ssl.nn.codebook_heads import CodebookHeads
from codec_ssl.nn.ema import EMATeacher
from codec_ssl.nn.packed import PackedLayout
from codec_ssl.nn.quantize import EMACodebooks, histogram, perplexity
from codec_ssl.nn.transformer import TransformerEncoder


@dataclass(frozen=True)
class MaskedBatch:
    """All that a target may look at.

    Attributes:
        codes: The codes before codebook dropout, ``(N, Q)``.
        labels: Labels of an own store, ``(N, 1)``, if there are any.
        layout: Where the utterances lie.
        masked: Indices of the masked frames, ``(M,)``.
        encoder: The student.
        embed: Gives the encoder's input ``(N, D)`` without masking, augmentation and gradient.
    """

    codes: Tensor
    labels: Tensor | None
    layout: PackedLayout
    masked: Tensor
    encoder: TransformerEncoder
    embed: Callable[[], Tensor]


class Target(nn.Module, ABC):
    """A source of labels and the head that predicts them."""

    @abstractmethod
    def labels(self, batch: MaskedBatch) -> Tensor:
        """Labels of the masked frames, int64 ``(M, G)``."""

    @abstractmethod
    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of all classes for encoder outputs ``(M, D)``: ``(M, G, K)``."""

    def forward(self, hidden: Tensor, batch: MaskedBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross entropy, the mean over masked frames and label streams.

        Args:
            hidden: Encoder outputs of the masked frames, ``(M, D)``.
            batch: Where the labels come from.

        Returns:
            The loss (0 where nothing is masked) and detached statistics.
        """
        labels = self.labels(batch)
        logits = self.logits(hidden).float()
        total = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum")
        return total / max(labels.numel(), 1), prediction_stats(
            logits.argmax(-1), labels, logits.size(2)
        )

    def freezes_frontend(self, num_updates: int | None) -> bool:
        """Whether the frontend gets no more gradient after so many updates."""
        return False

    def after_update(self, encoder: TransformerEncoder, num_updates: int | None) -> None:
        """Follow an optimizer step; only a target with a teacher does something here."""


@torch.no_grad()
def prediction_stats(best: Tensor, labels: Tensor, size: int) -> dict[str, Tensor]:
    """Accuracy, perplexities and usage, none of which waits for the device.

    Args:
        best: Most likely classes ``(M, G)``.
        labels: ``(M, G)``.
        size: Classes of a stream, K.

    Returns:
        ``acc_masked``; ``target_perplexity`` and ``pred_perplexity`` (exp of the entropy of the
        labels and of the most likely classes in this batch, the mean over streams: 1 means
        collapse); ``code_usage`` (share of the classes among this batch's labels).
    """
    wanted, found = histogram(labels, size), histogram(best, size)
    return {
        "acc_masked": (best == labels).sum() / max(labels.numel(), 1),
        "target_perplexity": perplexity(wanted).mean(),
        "pred_perplexity": perplexity(found).mean(),
        "code_usage": (wanted > 0).float().mean(),
    }


class ReconstructionTarget(Target):
    """The codec's own codes, one head a codebook in one matrix product (DiscreteBERT's style).

    Args:
        dim: Width D.
        sizes: Entries K of each codebook.
    """

    def __init__(self, dim: int, sizes: Sequence[int]) -> None:
        super().__init__()
        self.heads = CodebookHeads(dim, sizes)

    def labels(self, batch: MaskedBatch) -> Tensor:
        """Codes of the masked frames ``(M, Q)``."""
        return batch.codes.index_select(0, batch.masked)

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores ``(M, Q, K)``, minus infinity beyond a smaller codebook's size."""
        return self.heads(hidden)


class ClusterTarget(Target):
    """Labels from a store: k-means of the last round, or any others of the same utterances.

    Args:
        dim: Width D.
        num_classes: K.
        head: ``cosine`` (HuBERT: Linear, then the cosine to one vector a class over a
            temperature) or ``linear``.
        proj_dim: Width of the cosine.
        temperature: Divisor of the cosine.
    """

    def __init__(
        self,
        dim: int,
        num_classes: int = 500,
        head: str = "cosine",
        proj_dim: int = 256,
        temperature: float = 0.1,
    ) -> None:
        super().__init__()
        if head not in ("cosine", "linear"):
            raise ConfigError(f"target_conf: head is 'cosine' or 'linear', not {head!r}")
        self.temperature = temperature
        self.projection = nn.Linear(dim, proj_dim if head == "cosine" else num_classes)
        self.classes: nn.Parameter | None = None
        if head == "cosine":
            self.classes = nn.Parameter(torch.rand(num_classes, proj_dim))

    def labels(self, batch: MaskedBatch) -> Tensor:
        """Labels of the masked frames ``(M, 1)``."""
        if batch.labels is None:
            raise ConfigError("the target 'cluster' needs labels beside the codes", stage="labels")
        return batch.labels.index_select(0, batch.masked)

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores ``(M, 1, K)``."""
        x = self.projection(hidden)
        if self.classes is not None:
            classes = F.normalize(self.classes, dim=1) / self.temperature
            x = F.linear(F.normalize(x.float(), dim=1), classes)
        return x.unsqueeze(1)


# How the entries of online clusters begin.
INITS = ("normal", "features")


class OnlineTarget(Target):
    """Clusters of a teacher's features that are learnt on the way (DinoSR).

    The teacher is the moving average of the Transformer; it sees the frames unmasked. Its top
    layers' feed-forward outputs, instance-normed over each utterance, are assigned to one
    codebook a layer at the masked frames, and the codebooks follow. Unlike the authors' code the
    norm sees real frames only, never padding.

    Args:
        encoder: The student.
        num_layers: Top layers that give labels, G.
        codebook_size: K.
        codebook_decay: Decay of the codebooks.
        codebook_init: ``normal``, as in DinoSR, or ``features``: of the first step's. Where a step
            has few frames, most entries that begin at random never get one.
        ema_decay: Decay of the teacher at first.
        ema_end_decay: Decay of the teacher later.
        ema_anneal_updates: Updates until then.
        freeze_update: Update from which the teacher stays as it is; None: never.
        freeze_frontend: Then stop training the shared frontend as well.
    """

    def __init__(
        self,
        encoder: TransformerEncoder,
        num_layers: int = 8,
        codebook_size: int = 256,
        codebook_decay: float = 0.9,
        codebook_init: str = "normal",
        ema_decay: float = 0.999,
        ema_end_decay: float = 0.9999,
        ema_anneal_updates: int = 30_000,
        freeze_update: int | None = 200_001,
        freeze_frontend: bool = True,
    ) -> None:
        super().__init__()
        if not 1 <= num_layers <= encoder.num_layers:
            raise ConfigError(f"target_conf: num_layers {num_layers} of {encoder.num_layers}")
        if codebook_init not in INITS:
            raise ConfigError(
                f"target_conf: codebook_init: expected one of {INITS}, found {codebook_init!r}"
            )
        last = encoder.num_layers
        self.layers = range(last - num_layers + 1, last + 1)
        self.codebook_size = codebook_size
        self.codebook_init = codebook_init
        self.freeze_frontend = freeze_frontend
        self.teacher = EMATeacher(
            encoder,
            decay=ema_decay,
            end_decay=ema_end_decay,
            anneal_updates=ema_anneal_updates,
            freeze_update=freeze_update,
            copied=("positions",),
        )
        self.codebooks = EMACodebooks(num_layers, codebook_size, encoder.dim, codebook_decay)
        self.heads = nn.Linear(encoder.dim, num_layers * codebook_size)

    @torch.no_grad()
    def labels(self, batch: MaskedBatch) -> Tensor:
        """Assign the teacher's features of the masked frames ``(M, G)``; in training, learn."""
        self.teacher.start(batch.encoder)
        out = self.teacher(batch.embed(), batch.layout, ffn_layers=self.layers)
        features = torch.stack(
            [
                instance_norm(out.ffn[layer], batch.layout).index_select(0, batch.masked)
                for layer in self.layers
            ]
        )
        if self.training and self.codebook_init == "features" and self.teacher.num_updates == 0:
            self.codebooks.start(features)
        labels = self.codebooks.assign(features)
        if self.training:
            self.codebooks.update(features, labels)
        return labels.t()

    def forward(self, hidden: Tensor, batch: MaskedBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """As in every target, with the codebooks' own perplexity beside it."""
        loss, stats = super().forward(hidden, batch)
        stats["codebook_perplexity"] = perplexity(self.codebooks.counts).mean()
        return loss, stats

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores ``(M, G, K)``."""
        return self.heads(hidden).unflatten(1, (-1, self.codebook_size))

    def freezes_frontend(self, num_updates: int | None) -> bool:
        """Whether the next update belongs to the time after ``freeze_update``."""
        done = max(self.teacher.num_updates, 0) if num_updates is None else num_updates
        return self.freeze_frontend and self.teacher.is_frozen(done + 1)

    def after_update(self, encoder: TransformerEncoder, num_updates: int | None) -> None:
        """Let the teacher follow."""
        self.teacher.update(encoder, num_updates)


def instance_norm(x: Tensor, layout: PackedLayout, epsilon: float = 1e-5) -> Tensor:
    """Give each channel of each utterance mean 0 and variance 1 in float32: ``(N, D)``."""
    x = x.float()
    x = x - layout.means(x)
    return x * (layout.mean(x.square()) + epsilon).rsqrt()[layout.owner]
