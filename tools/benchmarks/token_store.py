#!/usr/bin/env python3
"""Token store against compressed .npz files and Kaldi ark files with text codes, in one run.

All formats get the same utterances and are read in the same random order, by one thread, from a
warm page cache; what each gives back is compared with what was written. Times are CPU seconds of
this process (user and system), so that other work on the machine doesn't count; the best of
several rounds is shown.

The synthetic corpus has uniform random codes, which no compression can shrink below the packed
size: real codes favour the compressed formats' size, hardly their speed. ``--tokens_tsv`` adds
real tokens: a table (also .xz) with a header, an utterance id, and columns of space-separated
integers, which become the codebooks.
"""

import argparse
import lzma
import resource
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from codec_ssl.tokens import packing, packing_torch
from codec_ssl.tokens.exchange import export_tokens
from codec_ssl.tokens.index import Index, write_index
from codec_ssl.tokens.kaldi_ark import open_ark, write_ark
from codec_ssl.tokens.store import TokenStoreWriter

FRAME_RATE = 50
BATCH = 32
Codes = dict[str, np.ndarray]
Reader = Callable[[Sequence[str]], Iterable[np.ndarray]]


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--utterances", type=int, default=2000, help="synthetic corpus")
    parser.add_argument("--mean_seconds", type=float, default=12.3, help="of an utterance")
    parser.add_argument("--codebooks", type=int, default=12)
    parser.add_argument("--codebook_size", type=int, default=1024)
    parser.add_argument("--tokens_tsv", type=Path, help="real tokens, in addition")
    parser.add_argument("--reads", type=int, default=320, help="random accesses a round")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--index_utterances", type=int, default=281241, help="LibriSpeech 960 h")
    parser.add_argument("--work_dir", type=Path, help="where files are written and removed again")
    return parser


def main() -> None:
    """Run all measurements and print them."""
    args = get_parser().parse_args()
    torch.set_num_threads(1)
    print(f"python {sys.version.split()[0]}, numpy {np.__version__}, torch {torch.__version__}")
    corpora = {"synthetic": (synthetic(args), [args.codebook_size] * args.codebooks)}
    if args.tokens_tsv:
        corpora[args.tokens_tsv.name] = real(args.tokens_tsv)
    for name, (codes, sizes) in corpora.items():
        with tempfile.TemporaryDirectory(dir=args.work_dir) as folder:
            random_access(name, codes, sizes, Path(folder), args.reads, args.rounds)
        unpacking(codes, sizes, args.rounds)
    with tempfile.TemporaryDirectory(dir=args.work_dir) as folder:
        opening(args.index_utterances, Path(folder))


def synthetic(args: argparse.Namespace) -> Codes:
    """Utterances with lengths and ids like LibriSpeech's and uniform random codes."""
    rng = np.random.default_rng(0)
    seconds = np.clip(rng.normal(args.mean_seconds, 3.8, args.utterances), 1.4, 35)
    frames = (seconds * FRAME_RATE).astype(int)
    return {
        utt_id: rng.integers(0, args.codebook_size, (count, args.codebooks))
        for utt_id, count in zip(make_ids(args.utterances), frames.tolist(), strict=True)
    }


def make_ids(count: int) -> list[str]:
    """Ids such as 1034-121119-0005."""
    return [f"{1034 + i // 1000}-{121119 + i // 50}-{i % 50:04d}" for i in range(count)]


def real(path: Path) -> tuple[Codes, list[int]]:
    """Columns of a table as codebooks; utterances are cut to their shortest column."""
    with lzma.open(path, "rt") if path.suffix == ".xz" else open(path) as file:
        rows = [line.rstrip("\n").split("\t") for line in file][1:]
    codes = {}
    for utt_id, *columns in rows:
        tokens = [np.array(column.split(), dtype=np.int64) for column in columns]
        shortest = min(map(len, tokens))
        codes[utt_id] = np.stack([column[:shortest] for column in tokens], axis=1)
    highest = np.max([utterance.max(axis=0) for utterance in codes.values()], axis=0)
    return codes, [1 << int(value).bit_length() for value in highest]


def random_access(
    name: str, codes: Codes, sizes: Sequence[int], folder: Path, reads: int, rounds: int
) -> None:
    """Write all formats, read utterances in random order, print sizes, times and ratios."""
    frames = sum(map(len, codes.values()))
    print(
        f"\n{name}: {len(codes)} utterances, {frames / FRAME_RATE / 3600:.2f} h at {FRAME_RATE} "
        f"frames a second, {len(sizes)} codebooks of {sorted(set(sizes))}"
    )
    readers = write_all(codes, sizes, folder)
    order = np.random.default_rng(1).choice(list(codes), size=reads).tolist()
    batches = [order[begin : begin + BATCH] for begin in range(0, reads, BATCH)]
    check_all(readers, order[:BATCH], codes)
    # Formats take turns, so that a busy moment of the machine doesn't hit one of them alone.
    times = {what: float("inf") for what in readers}
    for _ in range(rounds):
        for what, reader in readers.items():
            parts = batches[:1] if "text" in what else batches
            seconds = cpu_seconds(partial(read_batches, reader, parts))
            times[what] = min(times[what], seconds / sum(map(len, parts)))
    ours = times["token store"]
    payload = packing.packed_bytes(frames, sizes)
    print(
        f"{'random access, CPU us an utterance':42} {'MB':>8} {'B/frame':>8} {'us':>9} {'ratio':>8}"
    )
    for what, seconds in times.items():
        size = folder_bytes(folder / what.split(":")[0])
        print(
            f"{what:42} {size / 1e6:8.2f} {size / frames:8.2f} {seconds * 1e6:9.1f} "
            f"{seconds / ours:7.1f}x"
        )
    overhead = folder_bytes(folder / "token store") / payload - 1
    print(f"index, headers and meta.json of the token store: {overhead:.2%} of its packed codes")


def write_all(codes: Codes, sizes: Sequence[int], folder: Path) -> dict[str, Reader]:
    """Write the corpus in each format into a folder named after it; how each is read."""
    path = folder / "token store"
    writer = TokenStoreWriter(
        path,
        utt_ids=list(codes),
        sizes=sizes,
        frame_rate=FRAME_RATE,
        sample_rate=16000,
        maker={"kind": "codec", "name": "benchmark", "fingerprint": "0" * 64},
    )
    for shard in writer.pending():
        writer.write_shard(shard, ((utt, codes[utt]) for utt in writer.shard_utt_ids(shard)))
    store = writer.finalize()
    npz_files, npz_file = folder / "npz, a compressed file an utterance", folder / "npz, one file"
    ark_text, ark_binary = folder / "kaldiio ark, text", folder / "kaldiio ark, binary"
    export_tokens(store, npz_files, "npz")
    export_tokens(store, npz_file / "all.npz", "npz")
    for ark in (ark_text, ark_binary):
        ark.mkdir()
        write_ark(ark / "codes", store.items(), text=ark is ark_text)
    archive = np.load(npz_file / "all.npz")
    text, binary = open_ark(ark_text / "codes.scp"), open_ark(ark_binary / "codes.scp")

    def each(read: Callable[[str], np.ndarray]) -> Reader:
        return lambda utts: map(read, utts)

    return {
        path.name: each(store.__getitem__),
        f"{path.name}: read() of {BATCH}": lambda utts: split(*store.read(utts)),
        npz_files.name: each(
            lambda utt: np.load(npz_files / f"{utt}.npz")["codes"].astype(np.int64)
        ),
        npz_file.name: each(lambda utt: archive[utt].astype(np.int64)),
        ark_text.name: each(text.__getitem__),
        ark_binary.name: each(binary.__getitem__),
    }


def read_batches(reader: Reader, batches: Sequence[Sequence[str]]) -> None:
    """Read batch after batch; what was read is gone before the next is read."""
    for batch in batches:
        deque(reader(batch), maxlen=0)


def split(codes: np.ndarray, lens: np.ndarray) -> list[np.ndarray]:
    """The utterances of a batch (sum of T, Q)."""
    return np.split(codes, np.cumsum(lens)[:-1])


def check_all(readers: Mapping[str, Reader], utts: Sequence[str], codes: Codes) -> None:
    """Every format must give back what was written."""
    for what, reader in readers.items():
        for utt_id, found in zip(utts, reader(utts), strict=True):
            if not np.array_equal(found, codes[utt_id]):
                raise SystemExit(f"{what}: {utt_id}: read back other codes than were written")


def unpacking(codes: Codes, sizes: Sequence[int], rounds: int) -> None:
    """Codes a second of the unpacking alone, in memory, on one core."""
    utterances = list(codes.values())
    packed = [packing.pack(utterance, sizes) for utterance in utterances]
    lens = np.array([len(utterance) for utterance in utterances])
    whole, total = np.concatenate(packed), int(lens.sum())
    batch, batch_lens = np.concatenate(packed[:32]), lens[:32]
    tensor = torch.from_numpy(batch)
    median = int(np.argsort(lens)[len(lens) // 2])
    cases = {
        "pack, utterance after utterance": (
            lambda: [packing.pack(utterance, sizes) for utterance in utterances[:200]],
            int(lens[:200].sum()),
        ),
        "unpack, everything at once": (lambda: packing.unpack_ragged(whole, sizes, lens), total),
        "unpack, batch of 32 utterances": (
            lambda: packing.unpack_ragged(batch, sizes, batch_lens),
            int(batch_lens.sum()),
        ),
        "unpack, batch of 32 utterances (torch)": (
            lambda: packing_torch.unpack_ragged(tensor, sizes, batch_lens),
            int(batch_lens.sum()),
        ),
        f"unpack, one utterance of {lens[median]} frames": (
            lambda: packing.unpack(packed[median], sizes, int(lens[median])),
            int(lens[median]),
        ),
    }
    print(f"{'in memory, one core':44} {'us':>10} {'Mcodes/s':>9}")
    for what, (work, frames) in cases.items():
        repeats = max(1, 200_000 // frames)
        seconds = min(repeated(work, repeats) for _ in range(rounds + 1)) / repeats
        print(f"{what:44} {seconds * 1e6:10.1f} {frames * len(sizes) / seconds / 1e6:9.0f}")


def opening(utterances: int, folder: Path) -> None:
    """Time and memory of opening an index of many utterances and finding ids in it."""
    ids = make_ids(utterances)
    rng = np.random.default_rng(2)
    path = folder / "index.safetensors"
    write_index(path, ids, rng.integers(70, 1750, utterances))
    print(f"\nindex of {utterances} utterances: {path.stat().st_size / utterances:.1f} bytes each")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.process_time()
    index = Index(path)
    opened = time.process_time() - begin
    wanted = [ids[i] for i in rng.integers(0, utterances, 10000)]
    found = cpu_seconds(lambda: [index.position(utt) for utt in wanted]) / len(wanted)
    named = cpu_seconds(lambda: [index.utt_id(i) for i in range(10000)]) / 10000
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(
        f"open {opened * 1e3:.2f} ms; id to position {found * 1e6:.2f} us, "
        f"position to id {named * 1e6:.2f} us"
    )
    print(f"peak memory grew by {grown / 1024:.1f} MB, shared between processes")


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def repeated(work: Callable[[], object], repeats: int) -> float:
    """CPU seconds of several calls."""
    begin = time.process_time()
    for _ in range(repeats):
        work()
    return time.process_time() - begin


def folder_bytes(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


if __name__ == "__main__":
    main()
