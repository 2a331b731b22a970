"""RepCodec (arXiv 2309.00169, 3.1 and appendix A): convolutions around a quantizer, by frames.

Nothing is down- or upsampled, normalised or dropped out, and all layers have the features' width.
Where paper and authors' code differ, the code is followed, as the released checkpoints do: the
second convolution of a residual unit has kernel 1.

Letters: N frames of all utterances (packed), B utterances, D width, S frames and gaps together.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codec_ssl.nn.packed import PackedLayout
from codec_ssl.nn.winograd import conv3
from codec_ssl.tokenizers.learned import LearnedTokenizer, RepresentationCodec, VQOptions

# Most frames convolved at once outside training: 50 MB an activation of width 768.
_WINDOW = 1 << 14


@dataclass(frozen=True, kw_only=True)
class RepCodecOptions(VQOptions):
    """The codec.

    Attributes:
        encoder_blocks: Blocks of the encoder: 2, or 8 in the 960-hour runs of table 2a.
        decoder_blocks: Blocks of the decoder.
    """

    encoder_blocks: int = 2
    decoder_blocks: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_at_least("encoder_blocks", 1)
        self.check_at_least("decoder_blocks", 1)


class Conv(nn.Conv1d):
    """Kernel 3 over utterances laid end to end with one frame between, which it first zeroes.

    That frame is to both neighbours what zero padding is to an utterance alone.

    Args:
        width: D.
        bias: Whether to add one.
    """

    def __init__(self, width: int, bias: bool = False) -> None:
        super().__init__(width, width, 3, padding=1, bias=bias)

    def forward(self, x: Tensor, gaps: Tensor) -> Tensor:
        """``(S, D)``, whose frames ``gaps`` are overwritten, to ``(S, D)``."""
        x = x.index_fill_(0, gaps, 0.0)
        # Half precision would not bear the sums, and a GPU has faster ways.
        if x.is_cpu and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu"):
            x = conv3(x, self.weight)
            return x if self.bias is None else x + self.bias
        return super().forward(x.t().unsqueeze(0)).squeeze(0).t()


class ResidualUnit(nn.Module):
    """ELU, kernel 3, ELU, kernel 1, added to the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.wide = Conv(width)
        self.point = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, gaps: Tensor) -> Tensor:
        """``(S, D)`` to ``(S, D)``."""
        return x + self.point(F.elu(self.wide(F.elu(x), gaps)))


class Block(nn.Module):
    """Two residual units behind a convolution (decoder) or before it (encoder)."""

    def __init__(self, width: int, conv_first: bool) -> None:
        super().__init__()
        self.conv_first = conv_first
        self.conv = Conv(width, bias=True)
        self.units = nn.ModuleList(ResidualUnit(width) for _ in range(2))

    def forward(self, x: Tensor, gaps: Tensor) -> Tensor:
        """``(S, D)`` to ``(S, D)``."""
        if self.conv_first:
            x = self.conv(x, gaps)
        for unit in self.units:
            x = unit(x, gaps)
        return x if self.conv_first else self.conv(x, gaps)


class ConvStack(nn.Module):
    """Encoder (the tail is the paper's projector) or decoder.

    Args:
        width: D.
        num_blocks: Blocks between head and tail.
        conv_first: The decoder's kind of blocks.

    Attributes:
        radius: Frames on either side that an output depends on.
    """

    def __init__(self, width: int, num_blocks: int, conv_first: bool) -> None:
        super().__init__()
        self.head = Conv(width)
        self.blocks = nn.ModuleList(Block(width, conv_first) for _ in range(num_blocks))
        self.tail = Conv(width)
        self.radius = sum(isinstance(module, Conv) for module in self.modules())

    def forward(self, x: Tensor, layout: PackedLayout) -> Tensor:
        """Convolve each utterance by itself: ``(N, D)`` to ``(N, D)``.

        Outside training, long inputs go through in windows that overlap by the radius, so that
        memory is bounded and the result is the same.
        """
        slots = layout.spaced(1)
        gaps = layout.starts[1:-1] + torch.arange(layout.batch_size - 1, device=x.device)
        size = layout.num_frames + layout.batch_size - 1
        spaced = x.new_zeros(size, x.size(1)).index_copy(0, slots, x)
        if self.training or size <= _WINDOW:
            return self._convolve(spaced, gaps).index_select(0, slots)
        windows = []
        for start in range(0, size, _WINDOW):
            first, last = max(0, start - self.radius), start + _WINDOW + self.radius
            inside = gaps[(gaps >= first) & (gaps < last)] - first
            out = self._convolve(spaced[first:last], inside)
            windows.append(out[start - first : start - first + _WINDOW])
        return torch.cat(windows).index_select(0, slots)

    def _convolve(self, x: Tensor, gaps: Tensor) -> Tensor:
        """Frames and gaps ``(S, D)`` to ``(S, D)``."""
        x = self.head(x, gaps)
        for block in self.blocks:
            x = block(x, gaps)
        return self.tail(x, gaps)


class RepCodec(LearnedTokenizer):
    """Tokens of the paper's method."""

    kind = "repcodec"
    options_class = RepCodecOptions

    @staticmethod
    def build(options: RepCodecOptions) -> RepresentationCodec:
        """See ``LearnedTokenizer.build``."""
        return RepresentationCodec(
            options,
            encoder=ConvStack(options.width, options.encoder_blocks, conv_first=False),
            decoder=ConvStack(options.width, options.decoder_blocks, conv_first=True),
        )
