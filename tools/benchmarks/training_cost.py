"""Cost of a training step: Codec2Vec BASE on codes against HuBERT base on waveforms.

Both sides train in one process on the same utterances in turns (A, B, A, B, ...), with the same
number of threads, so that other load on the machine meets both; the ratio is the median over
pairs of neighbouring steps.

========================  ==================================  ==================================
                          Codec2Vec                           HuBERT
========================  ==================================  ==================================
model                     codec_ssl, BASE                     transformers.HubertModel, base
input                     12 x 1024 codes of a token store    FLAC files, decoded by soundfile
front                     12 tables, LayerNorm, Linear        7 convolutions, LayerNorm, Linear
encoder                   12 x 768, conv positions, packed    the same layers, padded to the
                                                              longest with an attention mask
masking                   HuBERT's, ours on both sides: the same frames share
head, labels              cosine to 500 classes at masked frames, random labels from a store
optimizer                 AdamW (fused) after clipping the gradient norm
========================  ==================================  ==================================

Dropout is 0.1 (hidden, attention) and layerdrop 0 on both sides: a layer dropped on one side only
would be noise here. Utterances come from ``--audio_dir`` (real files), else are noise of lengths
drawn like LibriSpeech's; they are sorted by length before they are cut into batches, which is
what keeps HuBERT's padding small. Data reading is in the loop, not in workers, on both sides.

    OMP_NUM_THREADS=2 python tools/benchmarks/training_cost.py --audio_dir DIR
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor, nn
from transformers import HubertConfig, HubertModel

from codec_ssl.nn.masking import SpanMasking
from codec_ssl.nn.packed import PackedLayout
from codec_ssl.ssl.codec2vec import build_codec2vec
from codec_ssl.ssl.targets import ClusterTarget, MaskedBatch
from codec_ssl.tokens.store import TokenStore, TokenStoreWriter
from codec_ssl.train.collate import PackedCollate

RATE, HOP, FRAME_RATE = 16_000, 320, 50
CODEBOOKS, SIZE, LATENT, CLASSES = 12, 1024, 1024, 500
CROP_SECONDS = 15.6
PARTS = ("data", "frontend", "encoder", "head", "optimizer")
Utterance = tuple[str, Path]


def librispeech_like(count: int, rng: np.random.Generator) -> np.ndarray:
    """Durations in seconds: 70 % near 14 s, the rest spread below; mean 12.2, most 12-16 s."""
    full = rng.normal(14.3, 1.2, count).clip(10.0, 17.0)
    short = rng.uniform(1.5, 13.0, count)
    return np.where(rng.random(count) < 0.7, full, short)


def make_flacs(folder: Path, durations: Sequence[float], rng: np.random.Generator) -> list[Path]:
    """Write noise with the spectral tilt and pauses of speech, so that FLAC has speech's work."""
    paths = []
    for number, seconds in enumerate(durations):
        samples = int(seconds * RATE)
        noise = np.convolve(rng.standard_normal(samples), 0.9 ** np.arange(32), mode="same")
        envelope = np.abs(np.sin(np.arange(samples) * (2 * np.pi * 2 / RATE)))
        paths.append(folder / f"utt{number:05d}.flac")
        soundfile.write(paths[-1], 0.05 * noise * envelope, RATE, subtype="PCM_16")
    return paths


def find_utterances(args: argparse.Namespace, folder: Path) -> dict[str, tuple[Path, float]]:
    """Map utterance ids to a 16 kHz file and its seconds."""
    rng = np.random.default_rng(args.seed)
    if args.audio_dir is None:
        if args.lengths is None:
            durations = librispeech_like(args.num_utterances, rng)
        else:
            lines = Path(args.lengths).read_text().splitlines()
            durations = rng.permutation([float(line.split()[-1]) for line in lines])
        paths = make_flacs(folder, durations[: args.num_utterances], rng)
    else:
        paths = sorted(Path(args.audio_dir).rglob("*.flac"))
        random.Random(args.seed).shuffle(paths)
    found = {}
    for number, path in enumerate(paths):
        info = soundfile.info(path)
        if info.samplerate == RATE and info.duration >= 1.0 and len(found) < args.num_utterances:
            found[f"utt{number:05d}"] = (path, info.duration)
    if not found:
        raise SystemExit(f"no 16 kHz FLAC file of a second or more under {args.audio_dir}")
    return found


def frames_of(seconds: float) -> int:
    """Frames that HuBERT's convolutions give (the codec's count is at most one higher)."""
    return (int(seconds * RATE) - 400) // HOP + 1


def make_store(path: Path, frames: dict[str, int], sizes: list[int], seed: int) -> TokenStore:
    """Write random codes."""
    rng = np.random.default_rng(seed)
    writer = TokenStoreWriter(
        path,
        utt_ids=sorted(frames),
        sizes=sizes,
        frame_rate=FRAME_RATE,
        sample_rate=RATE,
        maker={"kind": "random", "name": "random", "fingerprint": str(seed)},
    )
    for shard in writer.pending():
        ids = writer.shard_utt_ids(shard)
        writer.write_shard(
            shard, ((u, rng.integers(0, sizes, (frames[u], len(sizes)))) for u in ids)
        )
    return writer.finalize()


def make_batches(seconds: dict[str, float], budget: float) -> list[list[str]]:
    """Cut the utterances, sorted by length, into batches of at least ``budget`` seconds."""
    batches, total = [[]], 0.0
    for utt in sorted(seconds, key=seconds.get):
        if total >= budget:
            batches.append([])
            total = 0.0
        batches[-1].append(utt)
        total += min(seconds[utt], CROP_SECONDS)
    return batches[:-1] or batches


class Stopwatch:
    """Adds up the time between marks; on a GPU each mark waits for the device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.spent = dict.fromkeys(PARTS, 0.0)
        self.last = 0.0

    def start(self) -> None:
        """Begin a step."""
        self.last = self.now()

    def mark(self, part: str) -> None:
        """The time since the last mark belongs to ``part``."""
        now = self.now()
        self.spent[part] += now - self.last
        self.last = now

    def watch(self, module: nn.Module, part: str, result: Callable = lambda out: out) -> None:
        """Mark after the module's way forward; ``result`` picks its output tensor."""
        module.register_forward_hook(lambda _, args, out: self._forward(part, result(out)))

    def _forward(self, part: str, out: Tensor) -> None:
        self.mark(part)
        # The gradient of a part's output arrives when the part behind it has finished.
        behind = PARTS[PARTS.index(part) + 1]
        if out.requires_grad:
            out.register_hook(lambda grad: self.mark(behind))

    def now(self) -> float:
        """Read the clock, once the device has caught up."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


class Side:
    """A model with its optimizer, and how it reads a batch."""

    name: str

    def __init__(self, model: nn.Module, device: torch.device) -> None:
        self.device = device
        self.model = model.to(device).train()
        self.watch = Stopwatch(device)
        self.cpu_seconds: list[float] = []
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-6, fused=True
        )

    def read(self, utts: list[str]) -> dict[str, Tensor]:
        """Read a batch from disk."""
        raise TypeError("Side is to be subclassed")

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Run forwards."""
        raise TypeError("Side is to be subclassed")

    def step(self, utts: list[str], dtype: torch.dtype) -> float:
        """Train on one batch; seconds by the clock."""
        begin, begin_cpu = self.watch.now(), time.process_time()
        self.watch.start()
        batch = {name: x.to(self.device) for name, x in self.read(utts).items()}
        self.watch.mark("data")
        with torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32):
            loss = self.loss(batch)
        self.watch.mark("head")
        loss.backward()
        self.watch.mark("frontend")
        nn.utils.clip_grad_norm_(self.model.parameters(), 10.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.watch.mark("optimizer")
        self.cpu_seconds.append(time.process_time() - begin_cpu)
        return self.watch.now() - begin


class Ours(Side):
    """Codec2Vec on a token store."""

    name = "codec2vec"

    def __init__(
        self, codes: TokenStore, labels: TokenStore, device: torch.device, compiled: bool
    ) -> None:
        model = build_codec2vec(
            {
                "frontend_conf": {
                    "num_codebooks": CODEBOOKS,
                    "codebook_size": SIZE,
                    "codebook_dim": LATENT,
                    "init": "random",
                    "codebook_dropout": "prefix",
                },
                "encoder_conf": {"layerdrop": 0.0},
                "target": "cluster",
                "target_conf": {"num_classes": CLASSES},
            }
        )
        super().__init__(model, device)
        if compiled:
            model.encoder.compile_layers()
        self.stores = {"codes": codes, "labels": labels}
        self.collate = PackedCollate(max_frames=int(CROP_SECONDS * FRAME_RATE))
        self.watch.watch(model.frontend.projection, "frontend")
        self.watch.watch(model.encoder, "encoder", lambda out: out.last)

    def read(self, utts: list[str]) -> dict[str, Tensor]:
        """Read and pack codes and labels."""
        streams = [(u, {name: s[u] for name, s in self.stores.items()}) for u in utts]
        return self.collate(streams)[1]

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Run forwards."""
        return self.model(**batch)[0]


class Theirs(Side):
    """HuBERT base of transformers on FLAC files."""

    name = "hubert"

    def __init__(self, files: dict[str, Path], labels: TokenStore, device: torch.device) -> None:
        config = HubertConfig(
            hidden_dropout=0.1,
            attention_dropout=0.1,
            activation_dropout=0.0,
            feat_proj_dropout=0.1,
            layerdrop=0.0,
            attn_implementation="sdpa",
        )
        model = nn.ModuleDict({"hubert": HubertModel(config), "head": ClusterTarget(768, CLASSES)})
        super().__init__(model, device)
        self.files, self.labels, self.masking = files, labels, SpanMasking()
        self.watch.watch(model["hubert"].feature_projection, "frontend", _first)
        self.watch.watch(model["hubert"].encoder, "encoder", lambda out: out.last_hidden_state)

    def read(self, utts: list[str]) -> dict[str, Tensor]:
        """Decode, crop and pad waveforms; read labels."""
        crop = int(CROP_SECONDS * RATE)
        waves = [soundfile.read(self.files[u], dtype="float32", stop=crop)[0] for u in utts]
        padded = np.zeros((len(waves), max(map(len, waves))), np.float32)
        for row, wave in zip(padded, waves, strict=True):
            row[: len(wave)] = wave
        lengths = [(len(wave) - 400) // HOP + 1 for wave in waves]
        labels = [self.labels[u][:n] for u, n in zip(utts, lengths, strict=True)]
        return {
            "waves": torch.from_numpy(padded),
            "samples": torch.tensor([len(wave) for wave in waves]),
            "frames": torch.tensor(lengths),
            "labels": torch.from_numpy(np.concatenate(labels)),
        }

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Run forwards with the mask of the other side's algorithm."""
        lengths = batch["frames"].cpu()
        layout = PackedLayout.from_lengths(lengths, self.device)
        mask = self.masking(lengths)
        masked = mask.nonzero().squeeze(1).to(self.device)
        steps = torch.arange(batch["waves"].size(1), device=self.device)
        hidden = self.model["hubert"](
            batch["waves"],
            attention_mask=(steps < batch["samples"].unsqueeze(1)).long(),
            mask_time_indices=layout.pad(mask.to(self.device).unsqueeze(1)).squeeze(2),
        ).last_hidden_state
        packed = layout.pack(hidden).index_select(0, masked)
        targets = MaskedBatch(None, batch["labels"], layout, masked, None, None)
        return self.model["head"](packed, targets)[0]


def _first(out: Tensor | tuple[Tensor, ...]) -> Tensor:
    return out[0] if isinstance(out, tuple) else out


def useful_flops(lengths: Sequence[int], waveform: bool) -> float:
    """Multiply-adds count 2; forward once, backward twice; real frames only."""
    dim, ffn, layers = 768, 3072, 12
    per_frame = layers * (4 * dim * dim + 2 * dim * ffn) + dim * (dim // 16) * 128
    per_frame += (512 if waveform else LATENT) * dim
    attention = sum(layers * 2 * dim * n * n for n in lengths)
    if waveform:
        kernels, strides, rate, channels = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2), HOP, 1
        for kernel, stride in zip(kernels, strides, strict=True):
            rate //= stride
            per_frame += rate * kernel * channels * 512
            channels = 512
    head = 0.565 * (dim * 256 + 256 * CLASSES)
    return 6.0 * (sum(lengths) * (per_frame + head) + attention)


def measure(
    sides: Sequence[Side], batches: list[list[str]], dtype: torch.dtype, repeats: int
) -> dict[str, list[float]]:
    """Run both sides in turns; seconds of each step."""
    seconds = {side.name: [] for side in sides}
    for side in sides:
        side.step(batches[-1], dtype)
        side.watch.spent = dict.fromkeys(PARTS, 0.0)
        side.cpu_seconds.clear()
    for turn in range(repeats):
        for number, batch in enumerate(batches):
            # The first of a pair changes, in case the machine's load has a rhythm.
            for side in sides if (turn + number) % 2 == 0 else reversed(sides):
                seconds[side.name].append(side.step(batch, dtype))
            last = ", ".join(f"{side.name} {seconds[side.name][-1]:.2f} s" for side in sides)
            print(f"  step {len(seconds[sides[0].name])}: {last}", flush=True)
    return seconds


def report(
    sides: Sequence[Side],
    seconds: dict[str, list[float]],
    audio: float,
    flops: dict[str, float],
    peak: float | None,
) -> dict:
    """Print and return the figures of one precision; ``audio`` seconds went through each side."""
    ratios = [b / a for a, b in zip(*(seconds[side.name] for side in sides), strict=True)]
    result = {"ratio_median": statistics.median(ratios), "ratio_min": min(ratios)}
    result["ratio_max"] = max(ratios)
    ours, theirs = (side.cpu_seconds for side in sides)
    result["cpu_ratio_median"] = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
    for side in sides:
        total, spent = sum(seconds[side.name]), side.watch.spent
        rate = flops[side.name] / total
        print(
            f"  {side.name:10s} {audio / total:9.1f} s of audio/s  {rate / 1e9:9.1f} GFLOP/s",
            end="",
        )
        print(f"  MFU {rate / peak:6.1%}" if peak else "", end="")
        whole = sum(spent.values())
        print("  " + ", ".join(f"{p} {s / whole:.1%}" for p, s in spent.items()))
        result[side.name] = {
            "audio_seconds_per_second": audio / total,
            "useful_flops_per_second": rate,
            "seconds": {part: s * total / whole for part, s in spent.items()},
        }
    print(
        f"  ratio of step times, median over {len(ratios)} pairs: {result['ratio_median']:.2f} "
        f"(from {min(ratios):.2f} to {max(ratios):.2f}); "
        f"of processor time {result['cpu_ratio_median']:.2f}"
    )
    return result


def get_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--audio_dir", help="Folder of 16 kHz FLAC files; default: noise")
    parser.add_argument("--lengths", help="File with a duration in seconds at each line's end")
    parser.add_argument("--num_utterances", type=int, help="Default 24 on a CPU, 1200 on a GPU")
    parser.add_argument("--batch_seconds", type=float, help="Default 12 on a CPU, 640 on a GPU")
    parser.add_argument("--num_batches", type=int, default=3, help="Spread over the lengths")
    parser.add_argument("--repeats", type=int, help="Default 2 on a CPU, 10 on a GPU")
    parser.add_argument(
        "--dtypes",
        nargs="+",
        choices=["fp32", "bf16"],
        help="Default fp32 on a CPU (bf16 is slow on one without bf16 instructions), both on a GPU",
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--compile", action="store_true", help="Compile our layers")
    parser.add_argument("--peak_tflops", type=float, help="Of the device at bf16, for MFU")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", help="Write the figures there")
    return parser


def main() -> None:
    """Measure."""
    args = get_parser().parse_args()
    gpu = args.device != "cpu"
    args.num_utterances = args.num_utterances or (1200 if gpu else 24)
    args.batch_seconds = args.batch_seconds or (640.0 if gpu else 12.0)
    args.dtypes = args.dtypes or (["fp32", "bf16"] if gpu else ["fp32"])
    args.repeats = args.repeats or (10 if gpu else 2)
    torch.manual_seed(args.seed)
    device = torch.device(args.device)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = find_utterances(args, folder)
        frames = {utt: frames_of(seconds) for utt, (_, seconds) in found.items()}
        codes = make_store(folder / "codes", frames, [SIZE] * CODEBOOKS, args.seed)
        labels = make_store(folder / "labels", frames, [CLASSES], args.seed)
        batches = make_batches({utt: s for utt, (_, s) in found.items()}, args.batch_seconds)
        chosen = np.linspace(0, len(batches) - 1, min(args.num_batches, len(batches)))
        batches = [batches[round(i)] for i in chosen]
        files = {utt: path for utt, (path, _) in found.items()}
        sides = [Ours(codes, labels, device, args.compile), Theirs(files, labels, device)]
        lengths = [[min(frames[u], int(CROP_SECONDS * FRAME_RATE)) for u in b] for b in batches]
        audio = args.repeats * sum(map(sum, lengths)) / FRAME_RATE
        padded = sum(len(b) * max(b) for b in lengths)
        print(f"{device}, {torch.get_num_threads()} threads, torch {torch.__version__}")
        print(
            f"{len(batches)} batches of {[sum(b) / FRAME_RATE for b in lengths]} s of audio, ",
            end="",
        )
        print(f"padding {1 - sum(map(sum, lengths)) / padded:.1%} of HuBERT's frames")
        results = {}
        for kind in args.dtypes:
            print(f"{kind}:")
            dtype = torch.float32 if kind == "fp32" else torch.bfloat16
            seconds = measure(sides, batches, dtype, args.repeats)
            flops = {
                side.name: args.repeats
                * sum(useful_flops(b, side.name == "hubert") for b in lengths)
                for side in sides
            }
            peak = args.peak_tflops and args.peak_tflops * 1e12
            results[kind] = report(sides, seconds, audio, flops, peak)
    if args.json:
        Path(args.json).write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
