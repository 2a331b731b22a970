"""Toy tasks of SUPERB: codes whose label can be heard in them, with data dirs and token stores."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from toy_asr import write_store

from codec_ssl.data.tables import write_table

SIZES = (16, 8)
WIDTH = 12
MAKER = {"kind": "codec", "name": "toy", "fingerprint": "toy codec"}
COMMANDS = ["down", "left", "stop", "up"]


def make_codes(kind: int, frames: int, random: np.random.Generator) -> np.ndarray:
    """Codes (T, 2) in which units of the kind come twice as often as others."""
    units = random.integers(SIZES[0], size=frames)
    units = np.where(random.random(frames) < 0.5, kind, units)
    return np.stack([units, random.integers(SIZES[1], size=frames)], axis=1)


def write_codes(path: Path, codes: dict[str, np.ndarray]) -> None:
    """A store, with codebook vectors beside it, which the encoder ``codec`` reads."""
    write_store(path, codes, MAKER, SIZES)
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(len(SIZES), max(SIZES), WIDTH, generator=generator)
    save_file({"vectors": vectors}, path / "codebook.safetensors")


def write_data_dir(path: Path, labels: dict[str, dict[str, str]]) -> None:
    """A data dir with ``utt2<name>`` files; its audio is never opened."""
    path.mkdir(parents=True)
    utts = sorted(next(iter(labels.values())))
    write_table(path / "wav.scp", {utt: f"/nowhere/{utt}.wav" for utt in utts})
    speakers = labels.get("spk") or {utt: utt.partition("-")[0] for utt in utts}
    write_table(path / "utt2spk", {utt: speakers[utt] for utt in utts})
    for name, table in labels.items():
        write_table(path / f"utt2{name}", {utt: table[utt] for utt in utts})


def make_ks(root: Path, counts: dict[str, int], frames: int = 25) -> None:
    """``data/ks/<set>`` and ``codes/ks/<set>``: four commands, each with units of its own."""
    for number, (name, count) in enumerate(counts.items()):
        random = np.random.default_rng(number)
        utts = [f"s{n % 3}-{name}{n:03d}" for n in range(count)]
        commands = {utt: COMMANDS[n % len(COMMANDS)] for n, utt in enumerate(utts)}
        codes = {
            utt: make_codes(COMMANDS.index(command), frames + int(random.integers(10)), random)
            for utt, command in commands.items()
        }
        write_data_dir(root / "data" / "ks" / name, {"command": commands})
        write_codes(root / "codes" / "ks" / name, codes)


def task_data(root: Path, task: str, split: str) -> list[str]:
    """Options of a training that name the data of a split."""
    option = f"--{split}_data_path_and_name_and_type"
    return [
        *(option, f"{root}/data/{task}/{split},labels,data_dir"),
        *(option, f"{root}/codes/{task}/{split},codes,token_store"),
    ]
