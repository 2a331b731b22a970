"""Embeds the codes of a neural codec for an encoder (Codec2Vec, Codec-ASR).

Legend: B utterances, T frames of the longest, N frames of all utterances together, Q codebooks,
K entries of a codebook, E width of an embedding, D width of the encoder.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import torch
import torch.nn.functional as F
from espnet2.asr.frontend.abs_frontend import AbsFrontend
from torch import Tensor, nn

from codec_ssl.errors import ConfigError
from codec_ssl.frontend.augment import EmbeddingNoise, SpecAugment, kept_codebooks
from codec_ssl.frontend.codebook import codebook_shape, read_codebook
from codec_ssl.nn.dropout import Dropout
from codec_ssl.nn.packed import PackedLayout

_CHOICES = {
    "init": ("codebook", "random", "random_matched", "checkpoint"),
    "aggregate": ("sum", "mean", "concat"),
    "codebook_dropout": ("none", "prefix", "independent"),
}


def complete_frontend_conf(conf: Mapping[str, Any]) -> dict[str, Any]:
    """Fill sizes that are null from the codebook file, so that a saved config needs no file.

    Raises:
        ConfigError: The file cannot be read, or gives other sizes than the config.
    """
    conf = dict(conf)
    if not conf.get("codebook"):
        return conf
    found = dict(
        zip(
            ("num_codebooks", "codebook_size", "codebook_dim"),
            codebook_shape(conf["codebook"]),
            strict=True,
        )
    )
    for name, value in found.items():
        given = conf.get(name)
        if isinstance(given, list | tuple) and set(given) == {value}:
            given = value
        if given not in (None, value):
            raise ConfigError(
                f"frontend_conf says {name} {conf[name]}, but {conf['codebook']} has {value}",
                stage="tokens",
            )
        conf[name] = value
    return conf


class CodecUnitFrontend(AbsFrontend):
    """Sum (or mean, or concatenation) of one embedding a codebook, LayerNorm, Linear, dropout.

    All codebooks lie in one table and are looked up at once. With ``init="codebook"`` the sum of
    the looked-up rows is the codec's quantized latent; the rows are trained further.

    Args:
        num_codebooks: Q.
        codebook_size: K, or the K of each codebook.
        codebook_dim: E.
        codebook: ``codebook.safetensors`` with ``vectors`` (Q, K, E).
        init: ``codebook``, ``random`` (standard normal) or ``random_matched`` (normal with each
            codebook's own mean and deviation, which keeps later codebooks quieter: it tells the
            gain of the codec's geometry from that of its scale); ``checkpoint``: as ``random``,
            for a model whose weights are going to be loaded.
        aggregate: ``sum``, ``mean`` (over the codebooks kept) or ``concat``.
        codebook_dropout: ``none``, ``prefix`` or ``independent``, in training only.
        codebook_dropout_rate: See ``kept_codebooks``.
        output_dim: D; None leaves out LayerNorm and Linear.
        dropout: After the Linear.
        specaugment: Options of ``SpecAugment``; None turns it off.
        noise: Options of ``EmbeddingNoise``; None turns it off.

    Raises:
        ConfigError: A size is missing or does not fit the codebook file.
    """

    def __init__(
        self,
        num_codebooks: int | None = None,
        codebook_size: int | Sequence[int] | None = None,
        codebook_dim: int | None = None,
        codebook: str | None = None,
        init: str = "codebook",
        aggregate: str = "sum",
        codebook_dropout: str = "none",
        codebook_dropout_rate: float = 0.5,
        output_dim: int | None = 768,
        dropout: float = 0.1,
        specaugment: Mapping[str, Any] | None = None,
        noise: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        for name, value in (
            ("init", init),
            ("aggregate", aggregate),
            ("codebook_dropout", codebook_dropout),
        ):
            if value not in _CHOICES[name]:
                raise ConfigError(f"frontend_conf: {name} is one of {_CHOICES[name]}, not {value}")
        conf = complete_frontend_conf(
            {
                "num_codebooks": num_codebooks,
                "codebook_size": codebook_size,
                "codebook_dim": codebook_dim,
                "codebook": codebook,
            }
        )
        missing = [n for n in ("num_codebooks", "codebook_size", "codebook_dim") if not conf[n]]
        if missing:
            raise ConfigError(f"frontend_conf needs {', '.join(missing)}, or a codebook file")
        self.num_codebooks = conf["num_codebooks"]
        self.sizes = _sizes(conf["codebook_size"], self.num_codebooks)
        self.aggregate = aggregate
        self.codebook_dropout = codebook_dropout
        self.codebook_dropout_rate = codebook_dropout_rate
        self.specaugment = None if specaugment is None else SpecAugment(**specaugment)
        self.noise = None if noise is None else EmbeddingNoise(**noise)
        offsets = [0, *accumulate(self.sizes)]
        self.register_buffer("offsets", torch.tensor(offsets[:-1]), persistent=False)
        self.table = nn.Parameter(torch.empty(offsets[-1], conf["codebook_dim"]))
        self.initialise(init, codebook)
        width = conf["codebook_dim"] * (self.num_codebooks if aggregate == "concat" else 1)
        self.norm: nn.Module = nn.Identity()
        self.projection: nn.Module = nn.Identity()
        if output_dim is not None:
            self.norm = nn.LayerNorm(width)
            self.projection = nn.Linear(width, output_dim)
        self.dropout = Dropout(dropout)
        self._output_size = output_dim or width

    @torch.no_grad()
    def initialise(self, init: str, codebook: str | None = None) -> None:
        """Fill the table, see ``init`` above."""
        nn.init.normal_(self.table)
        if init in ("random", "checkpoint"):
            return
        if codebook is None:
            raise ConfigError(
                f"frontend_conf: init {init} needs 'codebook', a file", stage="tokens"
            )
        vectors = read_codebook(codebook)
        if init == "random_matched":
            spread = vectors.std(1, keepdim=True)
            vectors = vectors.mean(1, keepdim=True) + spread * torch.randn_like(vectors)
        self.table.copy_(vectors.flatten(0, 1))

    def output_size(self) -> int:
        """Width D of the output."""
        return self._output_size

    def forward(self, input: Tensor, input_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Embed a padded batch, as ESPnet calls it.

        Args:
            input: Codes ``(B, T, Q)``, also as floats, which ESPnet's inference makes of all
                input; padding may hold any number.
            input_lengths: Frames of each utterance ``(B,)``.

        Returns:
            Vectors ``(B, T', D)`` with zeros as padding, T' the longest length, and the lengths.
        """
        layout = PackedLayout.from_lengths(input_lengths, input.device)
        return layout.pad(self.embed(layout.pack(input).long(), layout)), input_lengths

    def embed(self, codes: Tensor, layout: PackedLayout, augment: bool = True) -> Tensor:
        """Embed a packed batch.

        Args:
            codes: ``(N, Q)``.
            layout: Where the utterances lie.
            augment: False turns off all that is random, also in training (for a teacher).

        Returns:
            ``(N, D)``.
        """
        augment = augment and self.training
        x = self.lookup(codes, self._draw_kept(layout) if augment else None)
        if augment and self.specaugment is not None:
            x = self.specaugment(x, layout)
        if augment and self.noise is not None:
            x = self.noise(x, layout)
        x = self.projection(self.norm(x))
        return self.dropout(x) if augment else x

    def lookup(self, codes: Tensor, kept: Tensor | None = None) -> Tensor:
        """Look up and aggregate: codes ``(N, Q)`` to ``(N, E)`` (concat: ``(N, Q * E)``).

        Args:
            codes: ``(N, Q)``.
            kept: Codes that count, bool ``(N, Q)``; None: all.
        """
        if codes.size(1) != self.num_codebooks:
            raise ConfigError(
                f"codes have {codes.size(1)} codebooks, the frontend {self.num_codebooks}"
            )
        rows = codes + self.offsets
        weights = None if kept is None else kept.to(self.table.dtype)
        if self.aggregate == "concat":
            x = F.embedding(rows, self.table)
            return (x if weights is None else x * weights.unsqueeze(2)).flatten(1)
        total = F.embedding_bag(rows, self.table, mode="sum", per_sample_weights=weights)
        if self.aggregate == "sum":
            return total
        if weights is None:
            return total / self.num_codebooks
        return total / weights.sum(1, keepdim=True)

    def _draw_kept(self, layout: PackedLayout) -> Tensor | None:
        """Draw the codes that codebook dropout keeps, bool ``(N, Q)``."""
        if self.codebook_dropout == "none":
            return None
        kept = kept_codebooks(
            self.codebook_dropout,
            self.codebook_dropout_rate,
            layout.batch_size,
            self.num_codebooks,
        )
        return kept.to(layout.owner.device)[layout.owner]


def _sizes(codebook_size: int | Sequence[int], num_codebooks: int) -> list[int]:
    if isinstance(codebook_size, int):
        return [codebook_size] * num_codebooks
    if len(codebook_size) != num_codebooks:
        raise ConfigError(
            f"frontend_conf: codebook_size has {len(codebook_size)} entries "
            f"for {num_codebooks} codebooks"
        )
    return list(codebook_size)
