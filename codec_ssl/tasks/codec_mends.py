"""What is mended in ESPnet's codecs: initial weights, the quantizer, the balancer of losses.

B batch, T frames, D latent width, W width of the codebooks.
"""

import math
from collections.abc import Mapping

import torch
from espnet2.gan_codec.shared.loss.loss_balancer import Balancer
from espnet2.gan_codec.shared.quantizer.modules.core_vq import ResidualVectorQuantization
from espnet2.gan_codec.shared.quantizer.residual_vq import ResidualVectorQuantizer
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

# PyTorch draws weights of variance 1 / (3 * fan-in); 1 / fan-in keeps the variance of a signal.
_SHORTFALL = 3.0


@torch.no_grad()
def scale_initial_weights(coder: nn.Module) -> None:
    """Let a fresh SEANet pass its signal on: unit-variance convolutions, biases of 0.

    PyTorch's default takes two thirds of the variance at every convolution, and adds a constant.
    After the encoder's dozen of them the frames of an utterance differ in the fourth digit. All
    of them fall into a few entries, and a small budget of steps does not get out of there.

    Args:
        coder: Encoder or decoder; what is not a convolution stays as it is.
    """
    for module in coder.modules():
        if not isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
            continue
        gain = _SHORTFALL
        if isinstance(module, nn.ConvTranspose1d):
            gain *= module.out_channels * module.stride[0] / module.in_channels
        weight = module.weight * math.sqrt(gain)
        if is_parametrized(module, "weight"):
            module.weight = weight
        elif hasattr(module, "weight_g"):
            # HiFi-GAN's older weight norm makes the weight anew from this before each use.
            module.weight_g.mul_(math.sqrt(gain))
        else:
            module.weight.copy_(weight)
        if module.bias is not None:
            module.bias.zero_()


def with_codebook_dim(quantizer: ResidualVectorQuantizer, width: int) -> ResidualVectorQuantizer:
    """Return an untrained quantizer like this one, of codebooks with another width.

    ESPnet's SoundStream and EnCodec fix it at 512 and project to it from any other latent.

    Args:
        quantizer: That of a codec just built.
        width: W; the latent's own width D leaves the projections away.
    """
    return ResidualVectorQuantizer(
        dimension=quantizer.dimension,
        codebook_dim=width,
        n_q=quantizer.n_q,
        bins=quantizer.bins,
        decay=quantizer.decay,
        kmeans_init=quantizer.kmeans_init,
        kmeans_iters=quantizer.kmeans_iters,
        threshold_ema_dead_code=quantizer.threshold_ema_dead_code,
        quantizer_dropout=quantizer.quantizer_dropout,
    )


class ProjectedResidualVQ(ResidualVectorQuantization):
    """ESPnet's residual VQ whose projections learn.

    ESPnet passes the decoder's gradient straight to the encoder, around the whole quantizer. Where
    codebooks have a width of their own (DAC), the projection back then never gets a gradient and
    stays random, and the one forth learns from the commitment loss alone, which is least when all
    frames are projected to one point. Here the gradient goes through each layer's projections
    and around its codebook only, as in DAC's own quantizer. Codes and weights are as in ESPnet.

    Args:
        plain: The quantizer to take the layers of.
    """

    def __init__(self, plain: ResidualVectorQuantization) -> None:
        super().__init__(num_quantizers=0, quantizer_dropout=plain.quantizer_dropout)
        self.layers = plain.layers

    def forward(self, x: Tensor, n_q: int | None = None) -> tuple[Tensor, ...]:
        """Quantize in training or evaluation.

        Args:
            x: ``(B, D, T)``.
            n_q: Layers to use; in training with quantizer dropout each row draws its own.

        Returns:
            Quantized ``(B, D, T)``, codes ``(Q, B, T)``, and the layers' commitment losses and,
            with quantizer dropout, quantization losses.
        """
        used = n_q or len(self.layers)
        depth = torch.full((len(x),), used, device=x.device)
        if self.quantizer_dropout and self.training:
            used = len(self.layers)
            depth = torch.randint(1, used + 1, (len(x),), device=x.device)
        residual, total, outputs = x, torch.zeros_like(x), []
        for number, layer in enumerate(self.layers[:used]):
            mask = number < depth
            quantized, *others = layer(residual, mask)
            residual = residual - quantized
            total = total + quantized * mask[:, None, None]
            outputs.append(others)
        return total, *map(torch.stack, zip(*outputs, strict=True))


def let_projections_learn(quantizer: nn.Module) -> None:
    """Give a quantizer that projects the gradients it needs; any other is left as it is."""
    if not isinstance(quantizer, ResidualVectorQuantizer):
        return
    if quantizer.codebook_dim != quantizer.dimension:
        quantizer.vq = ProjectedResidualVQ(quantizer.vq)


class WeightedBalancer(Balancer):
    """EnCodec's balancer: each loss has its weight's share of the gradient (its section 3.4).

    ESPnet's divides each weighted loss by the norm of its gradient, in which the weight cancels:
    all losses count alike. Its moving averages start at 0, so that the first steps are a hundred
    times too long, and it prints every gradient.

    Args:
        weights: Weight of each loss by name, already in the losses that it gets.
        ema_decay: Of the averages of the norms.
    """

    def __init__(self, weights: Mapping[str, float], ema_decay: float) -> None:
        super().__init__(ema_decay=ema_decay)
        self.weights = dict(weights)

    def __call__(
        self, losses: Mapping[str, Tensor], input: Tensor
    ) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Scale losses.

        Args:
            losses: Weighted losses of the decoded audio by name.
            input: That audio ``(B, 1, N)``.

        Returns:
            The scaled losses, and the norms ``<name>_norm`` of this step's gradients.
        """
        norms = {}
        for name, loss in losses.items():
            (gradient,) = torch.autograd.grad(loss, [input], retain_graph=True)
            norms[name] = gradient.flatten(1).norm(dim=1).mean()
        # Averaged like the norms, a 1 tells how far the averages have come from 0.
        seen = {"seen": torch.ones_like(norms[name])}
        averages = self.averager(norms | seen, len(input))
        total = sum(self.weights[name] for name in losses)
        scaled = {
            name: loss
            * (self.weights[name] / total * averages["seen"] / (averages[name] + self.epsilon))
            for name, loss in losses.items()
        }
        return scaled, {f"{name}_norm": float(norm) for name, norm in norms.items()}
