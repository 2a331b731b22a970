"""Tokenizers that learn by reconstruction: features -> codebook entries -> features again.

RepCodec (arXiv 2309.00169, section 3) has an encoder before its quantizer and a decoder behind it;
the paper's VQ baseline is the quantizer alone. All else they share is here.

Letters: N frames of all utterances (packed), B utterances, D width, K entries, Q codebooks.
"""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codec_ssl.errors import ConfigError
from codec_ssl.nn.packed import PackedLayout
from codec_ssl.nn.quantize import ResidualEMAQuantizer
from codec_ssl.tokenizers.base import Origin, Tokenizer
from codec_ssl.train.checkpoint import load_state_strict

RECONSTRUCTION_WEIGHT = 45.0
COMMITMENT_WEIGHT = 1.0
CROP_FRAMES = 96


@dataclass(frozen=True, kw_only=True)
class VQOptions:
    """The quantizer.

    Attributes:
        width: D of the features, which is the width of all layers too.
        num_clusters: Entries K of each codebook.
        num_quantizers: Q; 2 and more quantize residuals (table 2b has 2).
        decay: Of the codebooks' moving averages. The paper doesn't say it; this is the authors'.
    """

    width: int
    num_clusters: int = 1024
    num_quantizers: int = 1
    decay: float = 0.8

    def __post_init__(self) -> None:
        least = {"width": 1, "num_clusters": 2, "num_quantizers": 1}
        for name, lowest in least.items():
            self.check_at_least(name, lowest)
        if not 0.0 < self.decay < 1.0:
            raise ConfigError(f"tokenizer decay: expected a number in (0, 1), found {self.decay}")

    def check_at_least(self, name: str, lowest: int) -> None:
        """Refuse an option below its lowest value.

        Raises:
            ConfigError: Naming the option.
        """
        if (found := getattr(self, name)) < lowest:
            raise ConfigError(f"tokenizer {name}: expected at least {lowest}, found {found}")


@dataclass(frozen=True, eq=False)
class CodecOutput:
    """One pass through a representation codec.

    Attributes:
        reconstruction: Features again, ``(N, D)``.
        ids: Tokens, int64 ``(N, Q)``.
        reconstruction_loss: Mean squared error over frames and channels.
        commitment_loss: Sum over codebooks of each one's mean squared error.
    """

    reconstruction: Tensor
    ids: Tensor
    reconstruction_loss: Tensor
    commitment_loss: Tensor


class RepresentationCodec(nn.Module):
    """A quantizer, in between an encoder and a decoder if there are any.

    Args:
        options: The quantizer's.
        encoder: Maps packed ``(N, D)`` and a layout to ``(N, D)``; None changes nothing.
        decoder: The same on the other side.
    """

    def __init__(
        self, options: VQOptions, encoder: nn.Module | None = None, decoder: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.quantizer = ResidualEMAQuantizer(
            options.num_quantizers, options.num_clusters, options.width, options.decay
        )

    def forward(self, x: Tensor, layout: PackedLayout) -> CodecOutput:
        """Reconstruct features ``(N, D)``; in training the codebooks move."""
        z = x if self.encoder is None else self.encoder(x, layout)
        quantized = self.quantizer(z)
        again = quantized.vectors
        if self.decoder is not None:
            again = self.decoder(again, layout)
        loss = F.mse_loss(again.float(), x.float())
        return CodecOutput(again, quantized.ids, loss, quantized.commitment.sum())

    def encode(self, x: Tensor, layout: PackedLayout) -> Tensor:
        """Tokens of features ``(N, D)``: int64 ``(N, Q)``; no decoder is needed for them."""
        return self.quantizer.encode(x if self.encoder is None else self.encoder(x, layout))

    def decode(self, ids: Tensor, layout: PackedLayout) -> Tensor:
        """Features ``(N, D)`` of tokens ``(N, Q)``."""
        z = self.quantizer.decode(ids)
        return z if self.decoder is None else self.decoder(z, layout)


class LearnedTokenizer(Tokenizer):
    """A tokenizer around a representation codec.

    Args:
        options: Shape of the codec.
        origin: The features that it is trained on.

    Attributes:
        codec: The plain module. It goes to the device of the features that are given.
    """

    options_class: ClassVar[type[VQOptions]]

    def __init__(self, options: VQOptions, origin: Origin | None = None) -> None:
        self.options, self.origin = options, origin
        self.report: dict[str, Any] = {}
        self.sizes = [options.num_clusters] * options.num_quantizers
        self.codec = self.build(options).eval()

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], origin: Origin | None = None) -> Self:
        """A fresh one from plain values.

        Raises:
            ConfigError: If there is no such option, or its value is wrong.
        """
        try:
            return cls(cls.options_class(**settings), origin)
        except TypeError as error:
            raise ConfigError(f"options of a {cls.kind} tokenizer: {error}") from error

    @staticmethod
    @abstractmethod
    def build(options: VQOptions) -> RepresentationCodec:
        """A fresh codec."""

    def fit(
        self, stream: Iterable[Tensor], *, crop_frames: int = CROP_FRAMES, lr: float = 1e-4
    ) -> Self:
        """Train as the paper does, one step an item: the stream says what a batch is.

        It is the training task without its trainer, for small things.

        Args:
            stream: Batches (n, D), each cut into crops of ``crop_frames``.
            crop_frames: Frames of a crop; the last one may be shorter.
            lr: Learning rate of Adam.
        """
        params = list(self.codec.parameters())
        optimizer = torch.optim.Adam(params, lr=lr, betas=(0.5, 0.9)) if params else None
        self.codec.train()
        for features in stream:
            self.check_width(features, self.options.width)
            whole, rest = divmod(len(features), crop_frames)
            lengths = [crop_frames] * whole + [rest] * (rest > 0)
            layout = PackedLayout.from_lengths(lengths, features.device)
            output = self.codec.to(features.device)(features, layout)
            self.report["reconstruction_loss"] = float(output.reconstruction_loss.detach())
            if optimizer is not None:
                loss = RECONSTRUCTION_WEIGHT * output.reconstruction_loss
                optimizer.zero_grad()
                (loss + COMMITMENT_WEIGHT * output.commitment_loss).backward()
                optimizer.step()
        self.codec.eval()
        return self

    @torch.no_grad()
    def encode(self, features: Tensor, lens: Tensor) -> Tensor:
        """Tokens of packed utterances, none of which sees its neighbours.

        Args:
            features: (N, D), on any device.
            lens: Frames of each utterance (B,), all at least 1, summing to N.

        Returns:
            Tokens (N, Q) int64 on the same device.
        """
        self.check_width(features, self.options.width)
        codec = self.codec.to(features.device)
        return codec.encode(features.float(), PackedLayout.from_lengths(lens, features.device))

    @torch.no_grad()
    def decode(self, tokens: Tensor, lens: Tensor) -> Tensor:
        """Features (N, D) of the tokens (N, Q) of packed utterances."""
        codec = self.codec.to(tokens.device)
        return codec.decode(tokens, PackedLayout.from_lengths(lens, tokens.device))

    def vectors(self) -> Tensor:
        """The codebooks, before any decoder."""
        return self.codec.quantizer.codebooks.vectors

    def weights(self) -> dict[str, Tensor]:
        """Encoder, decoder, codebooks and their moving averages."""
        return self.codec.state_dict()

    def settings(self) -> dict[str, Any]:
        """The options."""
        return asdict(self.options)

    @classmethod
    def restore(cls, weights: dict[str, Tensor], settings: dict[str, Any]) -> Self:
        """See ``Tokenizer.restore``."""
        tokenizer = cls.from_settings(settings)
        load_state_strict(tokenizer.codec, weights, f"weights of a {cls.kind} tokenizer")
        return tokenizer
