"""Toy tasks of SUPERB whose labels follow the codes in time: phones, transcripts, slots, speakers.

Each symbol lasts some frames and has a code of its own, so that small heads learn them in seconds.
"""

from pathlib import Path

import numpy as np
from toy_superb import SIZES, write_codes, write_data_dir

from codec_ssl.data.alignment import Segment
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.superb.tables import write_matches, write_rttm
from codec_ssl.data.tables import write_table

COUNTS = {"train": 24, "valid": 8, "test": 8}
# Frames a second of toy stores.
RATE = 50.0
PHONES = ["AA", "B", "K", "S", "T"]
_SYMBOL_FRAMES = 5


def make_phones(root: Path) -> None:
    """``pr``: phones of three to six symbols."""
    for name, count in COUNTS.items():
        random = np.random.default_rng(count)
        said = {f"s{n % 3}-{name}{n}": _words(random, 3, 6) for n in range(count)}
        table = {utt: " ".join(PHONES[unit] for unit in units) for utt, units in said.items()}
        _write(root, "pr", name, said, {"phones": table})


def make_transcripts(root: Path) -> None:
    """``asr``: words of the letters A, B, C and E."""
    for name, count in COUNTS.items():
        random = np.random.default_rng(count)
        said = {f"s{n % 3}-{name}{n}": _words(random, 3, 5) for n in range(count)}
        table = {utt: "".join("ABC E"[unit] for unit in units) for utt, units in said.items()}
        table = {utt: " ".join(text.split()) or "A" for utt, text in table.items()}
        _write(root, "asr", name, said, {"text": table})


def make_slots(root: Path) -> None:
    """``sf``: a word and often a value, whose marks can be heard too."""
    for name, count in COUNTS.items():
        random = np.random.default_rng(count)
        said = {}
        for n in range(count):
            word, value = random.integers(2, size=2).tolist()
            said[f"s{n % 3}-{name}{n}"] = (
                [word, 3, 2, value, 4] if random.random() < 0.7 else [word]
            )
        parts = ("A", "B", "B-end ", " ", " E-end")
        table = {utt: "".join(parts[unit] for unit in units) for utt, units in said.items()}
        _write(root, "sf", name, said, {"slots": table})


def make_talks(root: Path) -> None:
    """``sd``: two speakers, each heard in a codebook of its own."""
    for name, count in COUNTS.items():
        random = np.random.default_rng(count)
        codes, talks = {}, {}
        for n in range(count):
            utt, frames = f"s{n % 3}-{name}{n}", 60
            codes[utt] = np.zeros((frames, 2), dtype=np.int64)
            talks[utt] = []
            for column, speaker in enumerate(("anna", "ben")):
                start, length = int(random.integers(5, 25)), int(random.integers(10, 30))
                codes[utt][start : start + length, column] = 3
                segment = Segment(start / RATE, (start + length) / RATE, speaker)
                talks[utt].append(segment)
        place = root / "data" / "sd" / name
        write_data_dir(place, {"spk": {utt: utt for utt in codes}})
        write_rttm(DataDir(place), talks)
        write_codes(root / "codes" / "sd" / name, codes)


def make_queries(root: Path) -> None:
    """``qbe``: words, some of them within longer documents."""
    random = np.random.default_rng(0)
    words = {f"w{n}": random.integers(1, SIZES[1], size=(9, 2)) for n in range(6)}
    docs = {}
    for n in range(12):
        around = random.integers(1, SIZES[1], size=(2, 15, 2))
        docs[f"d{n}"] = np.concatenate([around[0], words[f"w{n % 6}"], around[1]])
    folders = {"docs": docs}
    for name, first in (("valid", 0), ("test", 3)):
        folders[f"queries_{name}"] = {f"q{n}": words[f"w{n}"] for n in range(first, first + 3)}
    for name, codes in folders.items():
        write_data_dir(root / "data" / "qbe" / name, {"spk": {utt: utt for utt in codes}})
        write_codes(root / "codes" / "qbe" / name, codes)
    for name in ("valid", "test"):
        queries = DataDir(root / "data" / "qbe" / f"queries_{name}")
        pairs = {(q, f"d{n}") for q in queries.utt_ids for n in (int(q[1:]), int(q[1:]) + 6)}
        write_matches(queries, name, pairs, DataDir(root / "data" / "qbe" / "docs"))


def _words(random: np.random.Generator, fewest: int, most: int) -> list[int]:
    return random.integers(5, size=random.integers(fewest, most + 1)).tolist()


def _write(
    root: Path,
    task: str,
    name: str,
    said: dict[str, list[int]],
    tables: dict[str, dict[str, str]],
) -> None:
    place = root / "data" / task / name
    write_data_dir(place, {"spk": {utt: utt.partition("-")[0] for utt in said}})
    for file, table in tables.items():
        write_table(place / file, table)
    codes = {}
    for utt, units in said.items():
        # A pause after each symbol, so that repeats can be told apart.
        frames = [unit for each in units for unit in [each + 1] * _SYMBOL_FRAMES + [0]]
        codes[utt] = np.stack([np.array(frames), np.zeros(len(frames), dtype=np.int64)], axis=1)
    write_codes(root / "codes" / task / name, codes)
