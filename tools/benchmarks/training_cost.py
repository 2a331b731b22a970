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

With a corpus's data dir and token store (``--data_dir``, ``--store``) and ``--results``, the run
fills Table II of Codec2Vec: bytes of the audio against bytes of the store, and on a GPU the hours
that ``--updates`` updates of ``--update_seconds`` take at the measured speed.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from training_data import (
    CROP_SECONDS,
    FRAME_RATE,
    find_utterances,
    frames_of,
    make_batches,
    make_store,
    storage,
)
from training_sides import CLASSES, PARTS, Ours, Side, Theirs, useful_flops

from codec_ssl.report.results import Result, write_results
from codec_ssl.tokens.store import TokenStore


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


def table_two(args: argparse.Namespace, results: dict, stored: tuple[int, int]) -> list[Result]:
    """The entries of Table II; times are those of the last precision measured."""
    shared = {"recipe": args.recipe, "config": args.config, "device": args.device}
    dtype, measured = list(results.items())[-1]
    audio, codes = stored
    ours = {**shared, "system": "codec2vec", "dtype": dtype}
    theirs = {**shared, "system": "hubert_base", "dtype": dtype}
    entries = [
        Result("storage_gb", audio / 1e9, "GB", theirs),
        Result("storage_gb", codes / 1e9, "GB", ours),
        Result("storage_ratio", audio / codes, "ratio", ours),
        Result("speedup", measured["ratio_median"], "ratio", ours),
    ]
    if args.device != "cpu":
        for side, scored, once in (
            ("codec2vec", ours, args.extraction_hours),
            ("hubert", theirs, 0.0),
        ):
            speed = measured[side]["audio_seconds_per_second"]
            hours = args.updates * args.update_seconds / speed / 3600
            entries.append(Result("pretrain_gpu_hours", hours + once, "hours", scored))
    return entries


def get_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data = parser.add_argument_group("data")
    data.add_argument("--audio_dir", help="Folder of 16 kHz FLAC files; default: noise")
    data.add_argument("--data_dir", help="Data dir, without segments, in place of --audio_dir")
    data.add_argument("--store", help="Its codes (default: random, 12 x 1024)")
    data.add_argument("--lengths", help="File with a duration in seconds at each line's end")
    data.add_argument("--num_utterances", type=int, help="Default 24 on a CPU, 1200 on a GPU")
    data.add_argument("--batch_seconds", type=float, help="Default 12 on a CPU, 640 on a GPU")
    data.add_argument("--num_batches", type=int, default=3, help="Spread over the lengths")
    data.add_argument("--repeats", type=int, help="Default 2 on a CPU, 10 on a GPU")
    data.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--dtypes",
        nargs="+",
        choices=["fp32", "bf16"],
        help="Default fp32 on a CPU (bf16 is slow on one without bf16 instructions), both on a GPU",
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--compile", action="store_true", help="Compile our layers")
    parser.add_argument("--num_layers", type=int, default=12, help="Of both encoders; BASE has 12")
    parser.add_argument("--peak_tflops", type=float, help="Of the device at bf16, for MFU")
    parser.add_argument("--json", help="Write the figures there")
    table = parser.add_argument_group("Table II")
    table.add_argument("--results", help="Write a results.json there")
    table.add_argument("--recipe", default="egs2/librispeech/ssl1", help="Recipe it is made for")
    table.add_argument("--config", default="conf/train_codec2vec_hubert_labels.yaml")
    table.add_argument("--updates", type=int, default=400_000, help="HuBERT base's")
    table.add_argument("--update_seconds", type=float, default=2800.0, help="HuBERT base's")
    table.add_argument(
        "--extraction_hours", type=float, default=0.0, help="GPU hours that the codes took, once"
    )
    return parser


def main() -> None:
    """Measure."""
    args = get_parser().parse_args()
    begin = time.perf_counter()
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
        if args.store:
            codes = TokenStore(args.store)
            frames = {utt: codes.num_frames(utt) for utt in found}
        else:
            codes = make_store(folder / "codes", frames, [1024] * 12, args.seed)
        labels = make_store(folder / "labels", frames, [CLASSES], args.seed)
        batches = make_batches({utt: s for utt, (_, s) in found.items()}, args.batch_seconds)
        chosen = np.linspace(0, len(batches) - 1, min(args.num_batches, len(batches)))
        batches = [batches[round(i)] for i in chosen]
        files = {utt: path for utt, (path, _) in found.items()}
        stored = storage(args, list(files.values()), codes)
        sides = [
            Ours(codes, labels, device, args.compile, args.num_layers),
            Theirs(files, labels, device, args.num_layers),
        ]
        lengths = [[min(frames[u], int(CROP_SECONDS * FRAME_RATE)) for u in b] for b in batches]
        audio = args.repeats * sum(map(sum, lengths)) / FRAME_RATE
        padded = sum(len(b) * max(b) for b in lengths)
        print(f"{device}, {torch.get_num_threads()} threads, torch {torch.__version__}")
        print(
            f"{len(batches)} batches of {[sum(b) / FRAME_RATE for b in lengths]} s of audio, ",
            end="",
        )
        print(f"padding {1 - sum(map(sum, lengths)) / padded:.1%} of HuBERT's frames")
        print(
            f"audio {stored[0] / 1e6:.2f} MB, token store {stored[1] / 1e6:.2f} MB, "
            f"{stored[0] / stored[1]:.1f} times smaller"
        )
        results = {}
        for kind in args.dtypes:
            print(f"{kind}:")
            dtype = torch.float32 if kind == "fp32" else torch.bfloat16
            seconds = measure(sides, batches, dtype, args.repeats)
            flops = {
                side.name: args.repeats
                * sum(useful_flops(b, side.name == "hubert", args.num_layers) for b in lengths)
                for side in sides
            }
            peak = args.peak_tflops and args.peak_tflops * 1e12
            results[kind] = report(sides, seconds, audio, flops, peak)
    if args.json:
        Path(args.json).write_text(json.dumps(results, indent=2) + "\n")
    if args.results:
        entries = table_two(args, results, stored)
        notes = [f"Codes: {'of the corpus' if args.store else 'random'}; labels: random."]
        if gpu:
            notes.append(
                f"GPU hours: {args.updates} updates of {args.update_seconds:g} s at the measured "
                f"speed, and {args.extraction_hours:g} h for the codes."
            )
        write_results(args.results, entries, time.perf_counter() - begin, notes=notes)


if __name__ == "__main__":
    main()
