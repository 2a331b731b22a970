"""What a training step is measured on: utterances, their token stores, batches."""

import argparse
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile

from codec_ssl.data.data_dir import DataDir
from codec_ssl.tokens.store import TokenStore, TokenStoreWriter

RATE, HOP, FRAME_RATE = 16_000, 320, 50
CROP_SECONDS = 15.6


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
    found: dict[str, tuple[Path, float]] = {}
    for utt, path in candidates(args, folder):
        info = soundfile.info(path)
        if info.samplerate == RATE and info.duration >= 1.0:
            found[utt] = (path, info.duration)
        if len(found) == args.num_utterances:
            break
    if not found:
        raise SystemExit(f"no 16 kHz file of a second or more in {args.data_dir or args.audio_dir}")
    return found


def candidates(args: argparse.Namespace, folder: Path) -> Iterator[tuple[str, Path]]:
    """Utterances in random order, from a data dir, a folder of FLAC files, or made of noise."""
    if args.data_dir:
        files = [(utt, Path(path)) for utt, path in DataDir(args.data_dir).wav_scp.items()]
    elif args.audio_dir:
        paths = sorted(Path(args.audio_dir).rglob("*.flac"))
        files = [(f"utt{number:05d}", path) for number, path in enumerate(paths)]
    else:
        rng = np.random.default_rng(args.seed)
        durations = librispeech_like(args.num_utterances, rng)
        if args.lengths:
            lines = Path(args.lengths).read_text().splitlines()
            durations = rng.permutation([float(line.split()[-1]) for line in lines])
        paths = make_flacs(folder, durations[: args.num_utterances], rng)
        files = [(f"utt{number:05d}", path) for number, path in enumerate(paths)]
    random.Random(args.seed).shuffle(files)
    yield from files


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


def storage(args: argparse.Namespace, paths: Sequence[Path], codes: TokenStore) -> tuple[int, int]:
    """Bytes of the audio files and of the codes: of the whole corpus where both are given."""
    if args.data_dir and args.store:
        paths = [Path(path) for path in DataDir(args.data_dir).wav_scp.values()]
    stored = sum(file.stat().st_size for file in codes.path.rglob("*") if file.is_file())
    return sum(path.stat().st_size for path in paths), stored


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
