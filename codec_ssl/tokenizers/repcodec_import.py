"""Read a checkpoint of the authors' RepCodec release.

Their file is ``torch.save`` of ``{"model": {"repcodec": state}, "optimizer": ..., "steps": ...}``.
Names and layout of the state were read from their repository; the shape of the codec is read off
the state, since the file doesn't tell it.

Letters: D width, K entries.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from codec_ssl.errors import CheckpointError
from codec_ssl.tokenizers.base import Origin
from codec_ssl.tokenizers.repcodec import RepCodec, RepCodecOptions
from codec_ssl.train.checkpoint import load_state_strict, read

_NAMES = (
    (r"encoder\.conv\.conv\.(\w+)", r"encoder.head.\1"),
    (r"projector\.project\.conv\.(\w+)", r"encoder.tail.\1"),
    (r"decoder\.conv1\.conv\.(\w+)", r"decoder.head.\1"),
    (r"decoder\.conv2\.conv\.(\w+)", r"decoder.tail.\1"),
    (r"(\w+)\.conv_blocks\.(\d+)\.conv\.conv\.(\w+)", r"\1.blocks.\2.conv.\3"),
    (
        r"(\w+)\.conv_blocks\.(\d+)\.res_units\.(\d+)\.conv1\.conv\.(\w+)",
        r"\1.blocks.\2.units.\3.wide.\4",
    ),
    (
        r"(\w+)\.conv_blocks\.(\d+)\.res_units\.(\d+)\.conv2\.(\w+)",
        r"\1.blocks.\2.units.\3.point.\4",
    ),
)
_CODEBOOK = re.compile(r"quantizer\.codebook\.layers\.(\d+)\.(embed|embed_avg|cluster_size)")
_BUFFERS = {"embed": "vectors", "embed_avg": "sums", "cluster_size": "counts"}
_BLOCK = re.compile(r"(encoder|decoder)\.blocks\.(\d+)\..*")


def import_repcodec(path: str | Path, origin: Origin | None = None) -> RepCodec:
    """Make a tokenizer of an official checkpoint; it gives the same tokens.

    Args:
        path: The file, such as ``hubert_large_l18.pkl``.
        origin: The features that it was trained on.

    Raises:
        CheckpointError: If the file isn't whole, holds more than plain data, or has another
            layout.
    """
    state = _rename(_official_state(Path(path)), path)
    tokenizer = RepCodec(_options(state, path), origin)
    load_state_strict(tokenizer.codec, state, str(path))
    tokenizer.report["imported_from"] = Path(path).name
    return tokenizer


def _official_state(path: Path) -> Mapping[str, Tensor]:
    content = read(path)
    try:
        state = content["model"]["repcodec"]
    except (KeyError, TypeError, IndexError) as error:
        found = sorted(map(str, content)) if isinstance(content, Mapping) else type(content)
        raise CheckpointError(
            f"{path}: expected the layout of the RepCodec release, weights under"
            f" ['model']['repcodec'], found {found}"
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise CheckpointError(f"{path}: expected tensors under ['model']['repcodec']")
    return state


def _rename(state: Mapping[str, Tensor], path: str | Path) -> dict[str, Tensor]:
    """Our names; codebooks (D, K) of layers become rows of one (Q, K, D) table."""
    renamed: dict[str, Tensor] = {}
    books: dict[str, dict[int, Tensor]] = {}
    for key, value in state.items():
        if match := _CODEBOOK.fullmatch(key):
            books.setdefault(_BUFFERS[match[2]], {})[int(match[1])] = value.float().t()
            continue
        for pattern, ours in _NAMES:
            if re.fullmatch(pattern, key):
                name = re.sub(pattern, ours, key)
                # A convolution of kernel 1 is a Linear here.
                is_point = name.endswith(".point.weight") and value.shape[2:] == (1,)
                renamed[name] = value.float().squeeze(2) if is_point else value.float()
                break
        else:
            raise CheckpointError(
                f"{path}: expected the weights of the RepCodec release, found {key!r}"
            )
    for name, layers in books.items():
        try:
            rows = torch.stack([layers[layer] for layer in range(len(layers))])
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(
                f"{path}: expected like codebooks of all layers, found {name} of layers"
                f" {sorted(layers)}: {error}"
            ) from error
        renamed[f"quantizer.codebooks.{name}"] = rows.contiguous()
    return renamed


def _options(state: Mapping[str, Any], path: str | Path) -> RepCodecOptions:
    """The codec's shape, by its weights."""
    try:
        num_quantizers, num_clusters, width = state["quantizer.codebooks.vectors"].shape
    except KeyError as error:
        raise CheckpointError(f"{path}: expected codebooks, found none") from error
    blocks = [match for key in state if (match := _BLOCK.fullmatch(key))]
    counts = {
        part: len({match[2] for match in blocks if match[1] == part})
        for part in ("encoder", "decoder")
    }
    if not all(counts.values()):
        raise CheckpointError(f"{path}: expected blocks in encoder and decoder, found {counts}")
    return RepCodecOptions(
        width=width,
        num_clusters=num_clusters,
        num_quantizers=num_quantizers,
        encoder_blocks=counts["encoder"],
        decoder_blocks=counts["decoder"],
    )
