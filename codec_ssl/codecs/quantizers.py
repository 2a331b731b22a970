"""The quantizers of codecs that ESPnet's trainer trains: residual vectors, or finite scalars.

Q codebooks (groups of finite scalars count as such), K entries, D latent width, B batch, T frames.
"""

from collections.abc import Mapping
from typing import Any

from espnet2.gan_codec.shared.quantizer.residual_vq import ResidualVectorQuantizer
from torch import Tensor, nn

from codec_ssl.codecs import residual_vq
from codec_ssl.errors import CodecError, ConfigError
from codec_ssl.nn.fsq import FiniteScalarQuantizer

RVQ, FSQ = "rvq", "fsq"
_RVQ_OPTIONS = ("decay", "kmeans_init", "kmeans_iters", "threshold_ema_dead_code")


def build_quantizer(conf: Mapping[str, Any]) -> nn.Module:
    """Build a quantizer from ``generator_params``.

    Args:
        conf: ``quantizer`` (``rvq``, which is the default, or ``fsq``), ``hidden_dim`` D,
            ``quantizer_n_q`` Q. Residual vectors: ``quantizer_bins`` K, ``codebook_dim`` (D where
            it isn't given, which leaves projections away), and ESPnet's other ``quantizer_*``.
            Finite scalars: ``quantizer_levels``, and ``quantizer_standardize``, see
            `FiniteScalarQuantizer`.

    Raises:
        ConfigError: An unknown kind, or a width that the levels don't fill.
    """
    kind = conf.get("quantizer", RVQ)
    width, books = conf["hidden_dim"], conf["quantizer_n_q"]
    if kind == RVQ:
        given = {name: f"quantizer_{name}" for name in _RVQ_OPTIONS}
        return ResidualVectorQuantizer(
            dimension=width,
            codebook_dim=conf.get("codebook_dim", width),
            n_q=books,
            bins=conf["quantizer_bins"],
            **{name: conf[key] for name, key in given.items() if key in conf},
        )
    if kind != FSQ:
        raise ConfigError(f"generator_params: quantizer is rvq or fsq, found {kind!r}")
    levels = conf["quantizer_levels"]
    if books * len(levels) != width:
        raise ConfigError(
            f"generator_params: expected hidden_dim {books * len(levels)} for {books} groups of "
            f"{len(levels)} levels (quantizer_n_q, quantizer_levels), found {width}"
        )
    return FiniteScalarQuantizer(books, levels, conf.get("quantizer_standardize", False))


def shape_of(quantizer: nn.Module) -> tuple[int, int]:
    """Return Q and K."""
    if isinstance(quantizer, FiniteScalarQuantizer):
        return quantizer.num_groups, quantizer.codebook_size
    return quantizer.n_q, quantizer.bins


def quantize(quantizer: nn.Module, latent: Tensor) -> tuple[Tensor, Tensor]:
    """Quantize ``(B, D, T)`` with all codebooks, as training does.

    Returns:
        The quantized latent ``(B, D, T)`` with gradients, and the quantizer's own loss: the
        commitment, a mean over the codebooks, or the redundancy of finite scalars.
    """
    if isinstance(quantizer, FiniteScalarQuantizer):
        points, _, redundancy = quantizer(latent)
        return points, redundancy
    # The rate only matters where a bandwidth decides how many codebooks are used.
    quantized, _, _, commitment, *_ = quantizer(latent, 1)
    return quantized, commitment


def codes_of(quantizer: nn.Module, latent: Tensor, num_codebooks: int) -> Tensor:
    """Quantize ``(B, T, D)`` with the first codebooks: ``(B, T, Q)``."""
    if isinstance(quantizer, FiniteScalarQuantizer):
        return quantizer.encode(latent.transpose(1, 2))[:num_codebooks].permute(1, 2, 0)
    return residual_vq.rvq_codes(quantizer, latent, num_codebooks)


def vectors_of(quantizer: nn.Module, num_codebooks: int) -> Tensor:
    """Return vectors in the latent's space ``(Q, K, D)``; their sum is the quantized latent."""
    if isinstance(quantizer, FiniteScalarQuantizer):
        return quantizer.vectors()[:num_codebooks]
    return residual_vq.rvq_vectors(quantizer, num_codebooks)


def check_trained(quantizer: nn.Module, num_codebooks: int, where: str) -> None:
    """Refuse a quantizer that training was to begin with, and did not.

    Raises:
        CodecError: If a codebook is constant, or the latent's scale was never taken.
    """
    if not isinstance(quantizer, FiniteScalarQuantizer):
        residual_vq.check_trained(quantizer, num_codebooks, where)
    elif quantizer.steps == 0:
        raise CodecError(
            f"{where}: expected means and deviations of the latent (quantizer_standardize), found "
            "those of an untrained codec",
            stage="codec",
        )
