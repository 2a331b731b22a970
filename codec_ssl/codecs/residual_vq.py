"""The residual vector quantizer that EnCodec and ESPnet's codecs share.

Q codebooks, K entries, D latent width, B batch, T frames.
"""

import torch
from torch import Tensor, nn

from codec_ssl.errors import CodecError


def rvq_codes(quantizer: nn.Module, latent: Tensor, num_codebooks: int) -> Tensor:
    """Quantize ``(B, T, D)`` with the first codebooks: ``(B, T, Q)``."""
    codes = quantizer.vq.encode(latent.transpose(1, 2), n_q=num_codebooks)
    return codes.permute(1, 2, 0)


def rvq_vectors(quantizer: nn.Module, num_codebooks: int) -> Tensor:
    """Return the codebooks in the latent's space ``(Q, K, D)``."""
    layers = quantizer.vq.layers[:num_codebooks]
    return torch.stack([layer.project_out(layer.codebook) for layer in layers])


def check_trained(quantizer: nn.Module, num_codebooks: int, where: str) -> None:
    """Refuse codebooks that k-means never initialised: all their entries are equal.

    Raises:
        CodecError: If a codebook is constant.
    """
    for index, layer in enumerate(quantizer.vq.layers[:num_codebooks]):
        if (layer.codebook == layer.codebook[:1]).all():
            raise CodecError(
                f"{where}: codebook {index} of {num_codebooks} was never trained (all its entries "
                "are equal); set num_codebooks to the number that training used",
                stage="codec",
            )
