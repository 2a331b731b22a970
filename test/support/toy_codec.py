"""Codec trainings of seconds: noise at 1 kHz, the command line, and a process that dies."""

import os
import signal
from pathlib import Path

import numpy as np
import soundfile


def make_audio(root: Path, config: str) -> Path:
    """Write data dirs ``train`` and ``valid`` and ``train.yaml`` into a folder."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 7), ("valid", 2)):
        folder = root / split
        folder.mkdir()
        for i in range(count):
            soundfile.write(folder / f"{i}.wav", rng.uniform(-0.5, 0.5, 1000 + 50 * i), 1000)
        ids = [f"{split}{i}" for i in range(count)]
        (folder / "wav.scp").write_text(
            "".join(sorted(f"{utt} {folder}/{i}.wav\n" for i, utt in enumerate(ids)))
        )
        (folder / "utt2spk").write_text("".join(sorted(f"{utt} s\n" for utt in ids)))
    (root / "train.yaml").write_text(config)
    return root


def command(data: Path, output_dir: Path, *more: str) -> list[str]:
    """Command line of a training on it."""
    cmd = ["--config", str(data / "train.yaml"), "--output_dir", str(output_dir)]
    for split in ("train", "valid"):
        cmd += [f"--{split}_data_path_and_name_and_type", f"{data}/{split},audio,audio_1000"]
        cmd += [f"--{split}_shape_file", f"{data}/{split}/utt2spk"]
    return [*cmd, "--use_preprocessor", "false", *more]


def dying(task, cmd: list[str], step: int) -> None:
    """Train, and die before so many discriminator steps."""
    build = task.build_optimizers.__func__
    seen = []

    def build_and_watch(cls, args, model):
        optimizers = build(cls, args, model)

        def count(*_):
            seen.append(1)
            if len(seen) == step:
                os.kill(os.getpid(), signal.SIGKILL)

        optimizers[1].register_step_pre_hook(count)
        return optimizers

    task.build_optimizers = classmethod(build_and_watch)
    task.main(cmd=cmd)


def rank_of(task, cmd: list[str], number: int, port: int, folder: Path):
    """A function that trains as one of two processes, and saves its weights before validation."""
    dist = f"""--dist_rank {number} --dist_world_size 2 --dist_master_addr localhost
        --dist_master_port {port} --dist_backend gloo --multiprocessing_distributed false
        --num_workers 0"""

    def train():
        import torch

        step = task.trainer.validate_one_epoch.__func__

        def validate(cls, model, **kwargs):
            # Before validation, whose first step would send rank 0's codebooks to all.
            torch.save(model.module.state_dict(), folder / f"rank{number}.pth")
            step(cls, model=model, **kwargs)

        task.trainer.validate_one_epoch = classmethod(validate)
        task.main(cmd=[*cmd, *dist.split()])

    return train
