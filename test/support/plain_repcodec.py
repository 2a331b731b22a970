"""RepCodec once more, plainly: one utterance at a time, padded by the convolutions themselves.

Written from the facts about the paper and its code, with the names of the official release, so
that tests can compare with it and write checkpoints in that layout. Everything is a function of a
state dict. Shapes are (D, T) and, for codebooks, (D, K).
"""

import torch
import torch.nn.functional as F


def official_state(width=12, num_clusters=20, num_quantizers=1, blocks=(2, 2), seed=0):
    """Random weights, as a release would hold them."""
    generator = torch.Generator().manual_seed(seed)
    state = {}

    def conv(name, kernel, bias=False):
        scale = (3 * width) ** -0.5
        state[f"{name}.weight"] = scale * torch.randn(width, width, kernel, generator=generator)
        if bias:
            state[f"{name}.bias"] = 0.1 * torch.randn(width, generator=generator)

    def block(name):
        conv(f"{name}.conv.conv", 3, bias=True)
        for unit in range(2):
            conv(f"{name}.res_units.{unit}.conv1.conv", 3)
            conv(f"{name}.res_units.{unit}.conv2", 1)

    for name in ("encoder.conv.conv", "projector.project.conv", "decoder.conv1.conv"):
        conv(name, 3)
    conv("decoder.conv2.conv", 3)
    for part, count in zip(("encoder", "decoder"), blocks, strict=True):
        for number in range(count):
            block(f"{part}.conv_blocks.{number}")
    for layer in range(num_quantizers):
        embed = 0.3 * torch.randn(width, num_clusters, generator=generator)
        prefix = f"quantizer.codebook.layers.{layer}"
        state[f"{prefix}.embed"] = embed
        state[f"{prefix}.cluster_size"] = torch.rand(num_clusters, generator=generator)
        state[f"{prefix}.embed_avg"] = embed * 1.1
    return state


def save_official(state, path):
    content = {"model": {"repcodec": state}, "optimizer": {"repcodec": {}}, "steps": 3, "epochs": 1}
    torch.save(content, path)
    return path


def num_layers(state):
    return sum(key.endswith(".embed") for key in state)


def num_blocks(state, part):
    return sum(f"{part}.conv_blocks.{n}.conv.conv.weight" in state for n in range(99))


def convolve(state, name, x):
    weight = state[f"{name}.weight"]
    padding = (weight.shape[-1] - 1) // 2
    return F.conv1d(x[None], weight, state.get(f"{name}.bias"), padding=padding)[0]


def residual_units(state, block, x):
    for unit in ("0", "1"):
        y = convolve(state, f"{block}.res_units.{unit}.conv1.conv", F.elu(x))
        x = x + convolve(state, f"{block}.res_units.{unit}.conv2", F.elu(y))
    return x


def latent(state, x):
    x = convolve(state, "encoder.conv.conv", x)
    for number in range(num_blocks(state, "encoder")):
        block = f"encoder.conv_blocks.{number}"
        x = convolve(state, f"{block}.conv.conv", residual_units(state, block, x))
    return convolve(state, "projector.project.conv", x)


def decode(state, x):
    x = convolve(state, "decoder.conv1.conv", x)
    for number in range(num_blocks(state, "decoder")):
        block = f"decoder.conv_blocks.{number}"
        x = residual_units(state, block, convolve(state, f"{block}.conv.conv", x))
    return convolve(state, "decoder.conv2.conv", x)


def quantize(state, z):
    """Straight-through output (N, D), ids (N, Q), losses and inputs of all layers; z is (N, D)."""
    residual, total, ids, losses, inputs = z, 0.0, [], [], []
    for layer in range(num_layers(state)):
        embed = state[f"quantizer.codebook.layers.{layer}.embed"]
        distances = (residual[:, :, None] - embed[None]).square().sum(1)
        ids.append(distances.argmin(1))
        entry = embed.t()[ids[-1]]
        losses.append(((entry.detach() - residual) ** 2).mean())
        inputs.append(residual.detach())
        through = residual + (entry - residual).detach()
        residual = residual - through  # not detached, as the authors have it
        total = total + through
    return total, torch.stack(ids, 1), torch.stack(losses), inputs


def update(state, ids, inputs, decay=0.8, eps=1e-5):
    """One step of the moving averages, entry by entry."""
    for layer, residual in enumerate(inputs):
        prefix = f"quantizer.codebook.layers.{layer}"
        counts, sums = state[f"{prefix}.cluster_size"], state[f"{prefix}.embed_avg"]
        for k in range(len(counts)):
            mine = residual[ids[:, layer] == k]
            counts[k] = decay * counts[k] + (1 - decay) * len(mine)
            sums[:, k] = decay * sums[:, k] + (1 - decay) * mine.sum(0)
        total = counts.sum()
        smooth = (counts + eps) / (total + len(counts) * eps) * total
        state[f"{prefix}.embed"] = sums / smooth


def tokens(state, features):
    """Tokens (T, Q) of one utterance (T, D)."""
    return quantize(state, latent(state, features.t()).t())[1]
