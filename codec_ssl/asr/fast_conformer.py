"""A Conformer behind depthwise strided convolutions, like FastConformer's (Codec-ASR's encoder).

The paper doesn't say its encoder; FastConformer is the default here: a 3 x 3 convolution with
stride 2, then depthwise separable ones, each with stride 2, down to an eighth of the frames, and a
Conformer with a short convolution kernel on what is left.

Legend: B utterances, T frames, F input width, C channels, D width of the encoder.
"""

from typing import Any

import torch
from espnet2.asr.encoder.abs_encoder import AbsEncoder
from espnet2.asr.encoder.conformer_encoder import ConformerEncoder
from torch import Tensor, nn

from codec_ssl.errors import ConfigError

_KERNEL, _STRIDE, _PADDING = 3, 2, 1
FACTORS = (1, 2, 4, 8)


def halved(size: int | Tensor, times: int = 1) -> int | Tensor:
    """What strided convolutions leave of a size: half, rounded up, each time."""
    for _ in range(times):
        size = (size + 2 * _PADDING - _KERNEL) // _STRIDE + 1
    return size


class DepthwiseSubsampling(nn.Module):
    """Takes a half, a quarter or an eighth of the frames, and a Linear to the encoder's width.

    Frames behind an utterance's end are set to zero before each convolution, so that an utterance
    gives the same alone and in a batch.

    Args:
        input_size: F.
        output_size: D.
        factor: 1, 2, 4 or 8; 1 leaves the frames and only has the Linear.
        channels: C.

    Raises:
        ConfigError: The factor is none of these.
    """

    def __init__(
        self, input_size: int, output_size: int, factor: int = 8, channels: int = 256
    ) -> None:
        super().__init__()
        if factor not in FACTORS:
            raise ConfigError(f"encoder_conf: subsampling is one of {FACTORS}, not {factor}")
        self.steps = FACTORS.index(factor)
        geometry = {"kernel_size": _KERNEL, "stride": _STRIDE, "padding": _PADDING}
        convolutions: list[nn.Module] = []
        for step in range(self.steps):
            if step == 0:
                convolutions.append(nn.Conv2d(1, channels, **geometry))
                continue
            depthwise = nn.Conv2d(channels, channels, groups=channels, **geometry)
            convolutions.append(nn.Sequential(depthwise, nn.Conv2d(channels, channels, 1)))
        self.convolutions = nn.ModuleList(convolutions)
        width = halved(input_size, self.steps) * (channels if self.steps else 1)
        self.out = nn.Linear(width, output_size)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Subsample ``(B, T, F)`` with lengths ``(B,)`` to ``(B, T', D)`` and its lengths."""
        x = x.unsqueeze(1)
        for convolution in self.convolutions:
            x = convolution(x * _inside(lengths, x.size(2)).view(len(x), 1, -1, 1)).relu()
            lengths = halved(lengths)
        return self.out(x.transpose(1, 2).flatten(2)), lengths


class FastConformerEncoder(AbsEncoder):
    """Subsampling and ESPnet's Conformer, whose options ``conformer`` are.

    Args:
        input_size: F.
        output_size: D.
        subsampling: See :class:`DepthwiseSubsampling`.
        subsampling_channels: C.
        cnn_module_kernel: Of the Conformer's convolution.
        conformer: Further options of ESPnet's ``ConformerEncoder``; positions are relative, and
            each block has two feed-forward halves.
    """

    def __init__(
        self,
        input_size: int,
        output_size: int = 512,
        subsampling: int = 8,
        subsampling_channels: int = 256,
        cnn_module_kernel: int = 9,
        **conformer: Any,
    ) -> None:
        super().__init__()
        self.subsampling = DepthwiseSubsampling(
            input_size, output_size, subsampling, subsampling_channels
        )
        options = {"rel_pos_type": "latest", "macaron_style": True} | conformer
        self.conformer = ConformerEncoder(
            output_size,
            output_size,
            input_layer=None,
            cnn_module_kernel=cnn_module_kernel,
            **options,
        )

    def output_size(self) -> int:
        """Width D of the output."""
        return self.conformer.output_size()

    def forward(
        self, xs_pad: Tensor, ilens: Tensor, prev_states: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Encode as ESPnet asks for it.

        Args:
            xs_pad: ``(B, T, F)``.
            ilens: Frames of each utterance ``(B,)``.
            prev_states: Of no use.

        Returns:
            ``(B, T', D)``, its lengths and None.
        """
        x, lengths = self.subsampling(xs_pad, ilens.to(xs_pad.device))
        return self.conformer(x, lengths)


def _inside(lengths: Tensor, longest: int) -> Tensor:
    """1 for frames of utterances, 0 for what is behind their ends: (B, T)."""
    frames = torch.arange(longest, device=lengths.device)
    return (frames < lengths.unsqueeze(1)).float()
