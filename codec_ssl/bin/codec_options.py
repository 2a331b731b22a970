"""Options that commands around a codec share: jobs, and where they run."""

import argparse

import torch

from codec_ssl.bin.cli import positive_int, str2bool
from codec_ssl.errors import ConfigError


def add_codec_job_options(parser: argparse.ArgumentParser, finalize: str) -> None:
    """Add ``--job``, ``--num_jobs``, ``--finalize``, ``--device`` and ``--num_threads``.

    Args:
        parser: Gets the options.
        finalize: What ``--finalize true`` does.
    """
    add = parser.add_argument
    add("--job", type=positive_int, default=1, help="number of this job, from 1")
    add("--num_jobs", type=positive_int, default=1, help="jobs that share the work")
    add("--finalize", type=str2bool, default=False, help=finalize)
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")
    add("--num_threads", type=positive_int, default=1, help="of the codec on a CPU, in each job")


def choose_device(name: str, job: int) -> torch.device:
    """The device of a job: jobs take the visible GPUs in turn, unless one is named.

    Raises:
        ConfigError: If there is no such device.
    """
    num_gpus = torch.cuda.device_count()
    if name in {"auto", "cuda"} and num_gpus:
        return torch.device("cuda", (job - 1) % num_gpus)
    try:
        device = torch.device("cpu" if name == "auto" else name)
    except RuntimeError as error:
        raise ConfigError(
            f"--device: expected auto, cpu, cuda or cuda:N, found {name!r}"
        ) from error
    if device.type == "cuda" and (device.index or 0) >= num_gpus:
        raise ConfigError(f"--device {name}: PyTorch finds {num_gpus} GPUs on this machine")
    return device
