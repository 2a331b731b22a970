"""Speed of EnCodecMAE training: masked frames taken away before the encoder, against kept in.

Both models have the same weights, loss, optimizer and crops and train in one process in turns
(A, B, A, B, ...), so that other load on the machine meets both; the ratio is the median over pairs
of neighbouring steps. Inputs and codes are random numbers in memory: reading and the codec cost
both sides the same and are left out.

    OMP_NUM_THREADS=2 python tools/benchmarks/encodecmae_speed.py        # base, on a CPU
    python tools/benchmarks/encodecmae_speed.py --device cuda --batch_size 128 --dtype bfloat16
"""

import argparse
import statistics
import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from codec_ssl.ssl.encodecmae import EncodecMAE, build_encodecmae

SIZES = {
    "small": {"num_layers": 5},
    "base": {"num_layers": 10},
    "large": {"num_layers": 20, "dim": 1024, "head_dim": 85},
}
WIDTH, CODEBOOKS, ENTRIES = 128, 8, 1024


class Side:
    """A model with its optimizer.

    Args:
        size: Of ``SIZES``.
        encode_masked: Whether masked frames go through the encoder.
        device: Where to compute.
    """

    def __init__(self, size: str, encode_masked: bool, device: torch.device) -> None:
        torch.manual_seed(0)
        config = {
            "input_conf": {"width": WIDTH},
            "encoder_conf": SIZES[size],
            "target_conf": {"sizes": [ENTRIES] * CODEBOOKS},
            "encode_masked": encode_masked,
        }
        self.model: EncodecMAE = build_encodecmae(config).to(device).train()
        self.device = device
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.05, fused=True
        )
        self.seconds: list[float] = []
        self.cpu_seconds: list[float] = []

    def step(self, batch: dict[str, torch.Tensor], dtype: torch.dtype) -> None:
        """Train on one batch and note the seconds, by the clock and of the processor."""
        begin, begin_cpu = self._now(), time.process_time()
        with torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32):
            loss = self.model(**batch)[0]
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.seconds.append(self._now() - begin)
        self.cpu_seconds.append(time.process_time() - begin_cpu)

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


def make_batch(batch_size: int, frames: int, device: torch.device) -> dict[str, torch.Tensor]:
    """Random crops."""
    total = batch_size * frames
    return {
        "features": torch.randn(total, WIDTH, device=device),
        "lengths": torch.full((batch_size,), frames),
        "codes": torch.randint(ENTRIES, (total, CODEBOOKS), device=device),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--model", choices=SIZES, default="base")
    add("--batch_size", type=int, default=4, help="crops")
    add("--crop_frames", type=int, default=300)
    add("--steps", type=int, default=10, help="of each side, after one to warm up")
    add("--device", default="cpu")
    add("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    args = parser.parse_args()
    device, dtype = torch.device(args.device), getattr(torch, args.dtype)
    batch = make_batch(args.batch_size, args.crop_frames, device)
    sides = {
        name: Side(args.model, name == "kept in", device) for name in ("taken away", "kept in")
    }
    flops = {}
    for name, side in sides.items():
        with FlopCounterMode(display=False) as counter:
            side.step(batch, dtype)
        flops[name] = counter.get_total_flops()
        side.seconds, side.cpu_seconds = [], []
    for turn in range(args.steps):
        for name in sides if turn % 2 == 0 else reversed(sides):
            sides[name].step(batch, dtype)
    frames = args.batch_size * args.crop_frames
    for name, side in sides.items():
        rate = frames / statistics.median(side.seconds)
        print(
            f"masked frames {name:10s} {rate:9.0f} frames/s  {flops[name] / 1e9:8.1f} GFLOP a step"
        )
    away, kept = sides["taken away"], sides["kept in"]
    ratios = [b / a for a, b in zip(away.seconds, kept.seconds, strict=True)]
    processor = [b / a for a, b in zip(away.cpu_seconds, kept.cpu_seconds, strict=True)]
    print(
        f"{args.model}, {args.batch_size} x {args.crop_frames} frames, {args.dtype} on"
        f" {args.device}: {statistics.median(ratios):.2f} times the frames a second, median over"
        f" {len(ratios)} pairs (from {min(ratios):.2f} to {max(ratios):.2f});"
        f" {flops['kept in'] / flops['taken away']:.2f} times fewer operations,"
        f" {statistics.median(processor):.2f} times less processor time"
    )


if __name__ == "__main__":
    main()
