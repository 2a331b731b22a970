"""Train SUPERB's heads on one frozen encoder: every task with every learning rate of a grid.

One process trains its share of the grid, one training after the other; a killed one goes on where
it was, and finished ones are left alone. A rate whose training diverges is no error: it is noted,
and loses.
"""

import argparse
import json
import logging
import shutil
from pathlib import Path

from codec_ssl.bin import cli
from codec_ssl.bin.encoder_options import add_job_options
from codec_ssl.bin.named_paths import named_paths
from codec_ssl.bin.superb_options import add_superb_options, encoder_conf
from codec_ssl.data.tables import write_atomic
from codec_ssl.errors import ConfigError, TrainingError
from codec_ssl.evaluation.superb.grid import FAILED, FINISHED, Training, folds_of
from codec_ssl.tokens.files import canonical

_SPLITS = ("train", "valid")
_logger = logging.getLogger(__name__)


def get_parser() -> argparse.ArgumentParser:
    """The command line; what it doesn't know goes to ESPnet's trainer, for every training."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        epilog="Any option of ESPnet's trainer may follow, such as --max_epoch 5.",
        allow_abbrev=False,
    )
    add_superb_options(parser)
    add = parser.add_argument
    add("--configs", required=True, help="task=FILE,…: which tasks, and how each is trained")
    add("--lrs", nargs="+", required=True, help="learning rates to try")
    add("--ngpu", type=int, default=0, help="GPUs of a training")
    add_job_options(parser)
    return parser


def main() -> None:
    """Parse and train."""
    args, rest = get_parser().parse_known_args()
    configs = named_paths("--configs", args.configs)
    every = [
        Training(task, fold, rate)
        for task in configs
        for fold in folds_of(args.datadir / task)
        for rate in args.lrs
    ]
    for training in every[args.job - 1 :: args.num_jobs]:
        command = [*options_of(args, training, configs[training.task]), *rest]
        train(args.exp / training.name, command, Path(configs[training.task]))


def options_of(args: argparse.Namespace, training: Training, config: str) -> list[str]:
    """The command line of one training, without its output folder."""
    command = ["--config", config, "--problem", training.task, "--ngpu", str(args.ngpu)]
    command += ["--multiprocessing_distributed", str(args.ngpu > 1).lower()]
    for name, value in encoder_conf(args).items():
        command += ["--encoder_conf", f"{name}={json.dumps(value)}"]
    # YAML takes 1e-4 for a word.
    command += ["--optim_conf", f"lr={float(training.rate):.12f}", "--use_tensorboard", "false"]
    for split in _SPLITS:
        option = f"--{split}_data_path_and_name_and_type"
        place = Path(training.task, training.fold, split)
        command += [option, f"{args.datadir / place},labels,data_dir"]
        if args.codes is not None:
            command += [option, f"{args.codes / place},codes,token_store"]
        if args.layers is not None:
            command += [option, f"{args.layers / place},layers,feature_cache"]
    return command


def train(exp: Path, command: list[str], config: Path) -> None:
    """Run one training, unless it was finished with the same options.

    Raises:
        ConfigError: There is no such config.
    """
    if not config.is_file():
        raise ConfigError(f"--configs: no such file {config}")
    told = canonical([*command, config.read_text(encoding="utf-8")])
    for mark in (FINISHED, FAILED):
        path = exp / mark
        if path.is_file() and path.read_text(encoding="utf-8").partition("\n")[0] == told:
            _logger.info("%s: done before", exp)
            return
        path.unlink(missing_ok=True)
    # Imported here, because that alone takes many seconds.
    from codec_ssl.tasks.superb import SuperbTask

    _logger.info("training %s", exp)
    exp.mkdir(parents=True, exist_ok=True)
    try:
        SuperbTask.main(cmd=[*command, "--output_dir", str(exp)])
    except TrainingError as error:
        _logger.warning("%s: diverged: %s", exp, error)
        shutil.rmtree(exp / "bad_batches", ignore_errors=True)
        write_atomic(exp / FAILED, f"{told}\n{error}\n")
    else:
        write_atomic(exp / FINISHED, f"{told}\n")


if __name__ == "__main__":
    cli.run(main)
