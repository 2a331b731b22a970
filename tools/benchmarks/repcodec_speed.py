#!/usr/bin/env python3
"""RepCodec here against the authors' released code, in one run: training steps and tokenization.

``--authors`` is a checkout of their repository (mct10/RepCodec; CC BY-NC, nothing of it is here).
Both sides get the same weights, crops and utterances, in float32; pairs of steps are interleaved,
so that other work on the machine hits both. Losses and tokens are compared: theirs of each
utterance alone, which is how their command works unless it is told otherwise; in a batch it pads,
and the padding changes tokens, whose share is printed.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from codec_ssl.tasks.tokenizer_model import ESPnetTokenizer
from codec_ssl.tokenizers.learned import COMMITMENT_WEIGHT, RECONSTRUCTION_WEIGHT
from codec_ssl.tokenizers.repcodec import RepCodec
from codec_ssl.tokenizers.repcodec_import import import_repcodec

BATCH, CROP, CLUSTERS = 32, 96, 1024
TOKENIZE_FRAMES = 8000  # of one batch; the default of our commands


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--authors", type=Path, required=True, help="their checkout")
    parser.add_argument("--width", type=int, default=768, help="768, 1024 or 1280")
    parser.add_argument("--steps", type=int, default=5, help="timed pairs of training steps")
    parser.add_argument("--utterances", type=int, default=64, help="to tokenize")
    parser.add_argument("--repeats", type=int, default=3, help="of the tokenization")
    parser.add_argument("--dtypes", nargs="+", choices=["fp32", "bf16"], default=["fp32", "bf16"])
    parser.add_argument("--device", default="cpu")
    return parser


def main() -> None:
    """Measure and print."""
    args = get_parser().parse_args()
    sys.path.insert(0, str(args.authors))
    theirs, ours = _models(args.width, args.device)
    where = args.device if args.device == "cpu" else torch.cuda.get_device_name()
    print(f"{where}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"width {args.width}, {sum(p.numel() for p in theirs.parameters()) / 1e6:.1f} M weights")
    tokenization(theirs, ours, args)
    for dtype in args.dtypes:
        training(*_models(args.width, args.device), args, dtype)


def _models(width: int, device: str) -> tuple[Any, RepCodec]:
    """Theirs with random weights, and ours from the checkpoint that theirs was saved to."""
    from repcodec.RepCodec import RepCodec as Theirs

    torch.manual_seed(0)
    shape = ("input", "output", "encode", "decode")
    theirs = Theirs(**{f"{name}_channels": width for name in shape}, code_dim=width)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.pkl"
        torch.save({"model": {"repcodec": theirs.state_dict()}}, path)
        ours = import_repcodec(path)
    ours.codec.to(device)
    return theirs.to(device), ours


def training(theirs: Any, ours: RepCodec, args: argparse.Namespace, dtype: str) -> None:
    """Time whole steps of both: forward, backward, optimizer, codebooks."""
    model = ESPnetTokenizer(ours.codec).train()
    theirs.train()
    settings = {"lr": 1e-4, "betas": (0.5, 0.9)}
    optimizers = [torch.optim.Adam(m.parameters(), **settings) for m in (theirs, model)]
    lengths = torch.full((BATCH,), CROP)
    autocast = torch.autocast(args.device.split(":")[0], torch.bfloat16, enabled=dtype == "bf16")

    def their_step(crops: Tensor) -> Tensor:
        with autocast:
            again, _, _, commitment, _ = theirs(crops.transpose(1, 2))
            error = F.mse_loss(again, crops.transpose(1, 2))
            loss = RECONSTRUCTION_WEIGHT * error + COMMITMENT_WEIGHT * commitment.sum()
        return _update(loss, optimizers[0])

    def our_step(crops: Tensor) -> Tensor:
        with autocast:
            loss, _, _ = model(crops.flatten(0, 1), lengths)
        return _update(loss.sum(), optimizers[1])

    times: dict[str, list[float]] = {"theirs": [], "ours": []}
    losses = []
    for step in range(args.steps + 1):
        torch.manual_seed(step)
        crops = torch.randn(BATCH, CROP, args.width).to(args.device)
        sides = [("theirs", their_step), ("ours", our_step)]
        seconds = {
            name: _timed(partial(call, crops)) for name, call in sides[:: 1 - 2 * (step % 2)]
        }
        losses.append({name: float(loss) for name, (_, loss) in seconds.items()})
        if step:  # the first one warms up
            for name, (spent, _) in seconds.items():
                times[name].append(spent)
    _print(f"training, {dtype}", times, BATCH * CROP)
    first, last = losses[0], losses[-1]
    print(
        f"  losses of the first and last step: theirs {first['theirs']:.4f}, {last['theirs']:.4f};"
    )
    print(f"  ours {first['ours']:.4f}, {last['ours']:.4f}")


def _update(loss: Tensor, optimizer: torch.optim.Optimizer) -> Tensor:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


def tokenization(theirs: Any, ours: RepCodec, args: argparse.Namespace) -> None:
    """Time features to tokens of whole utterances, theirs alone and in padded batches."""
    from repcodec.tokenize import make_batch_data, tokenize_batch

    theirs.eval()
    theirs.quantizer.initial()
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.normal(12.3, 3.8, args.utterances) * 50, 70, 1750).astype(int).tolist()
    data = rng.standard_normal((sum(lengths), args.width), dtype=np.float32)

    def their_way(size: int) -> list[list[int]]:
        batches = make_batch_data(data, lengths, size)
        return [row for batch in batches for row in tokenize_batch(theirs, batch, args.device)]

    def our_way() -> list[list[int]]:
        rows: list[list[int]] = []
        offsets = np.cumsum([0, *lengths])
        for first, last in _batches(lengths):
            part = torch.from_numpy(data[offsets[first] : offsets[last]]).to(args.device)
            counts = torch.tensor(lengths[first:last])
            tokens = ours.encode(part, counts)[:, 0].cpu()
            rows += [each.tolist() for each in tokens.split(counts.tolist())]
        return rows

    ways = {
        "theirs": lambda: their_way(1),
        "theirs in batches of 8": lambda: their_way(8),
        "ours": our_way,
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    tokens = {}
    for repeat in range(args.repeats + 1):
        for name, way in ways.items():
            spent, tokens[name] = _timed(way)
            if repeat:
                times[name].append(spent)
    _print("tokenization, fp32", times, sum(lengths))
    for name in ("theirs in batches of 8", "ours"):
        same = sum(map(_equal, tokens["theirs"], tokens[name]))
        print(f"  {name}: {same / sum(lengths):.3%} of the tokens as theirs of each one alone")


def _batches(lengths: Sequence[int]) -> list[tuple[int, int]]:
    """Slices of utterances with about ``TOKENIZE_FRAMES`` frames."""
    slices, first = [], 0
    for last in range(1, len(lengths) + 1):
        if last == len(lengths) or sum(lengths[first : last + 1]) > TOKENIZE_FRAMES:
            slices.append((first, last))
            first = last
    return slices


def _equal(a: Sequence[int], b: Sequence[int]) -> int:
    return sum(x == y for x, y in zip(a, b, strict=True))


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = _now()
    result = call()
    return _now() - start, result


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def _print(title: str, times: dict[str, list[float]], frames: int) -> None:
    print(f"{title}:")
    for name, spent in times.items():
        ratios = [a / b for a, b in zip(times["theirs"], spent, strict=True)]
        print(
            f"  {name:24s} {frames / statistics.median(spent):9.0f} frames/s,"
            f" {statistics.median(ratios):.2f} times theirs (from {min(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
