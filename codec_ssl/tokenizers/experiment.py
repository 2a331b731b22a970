"""The tokenizer of a training: from the experiment directory to a folder of its own.

Nothing here needs ESPnet's trainer.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codec_ssl.errors import CheckpointError, ConfigError
from codec_ssl.features.base import Origin
from codec_ssl.tokenizers.learned import LearnedTokenizer
from codec_ssl.tokenizers.registry import tokenizer_class
from codec_ssl.train.checkpoint import load_state_strict, load_weights

EXPORTED = "tokenizer"


def export_tokenizer(
    exp_dir: str | Path, which: str = "latest", out_dir: str | Path | None = None
) -> LearnedTokenizer:
    """Write the tokenizer of an experiment.

    Args:
        exp_dir: The experiment directory.
        which: ``latest``, ``best`` or an epoch number.
        out_dir: Folder to write; the experiment's own folder ``tokenizer`` where None.

    Raises:
        CheckpointError: If the experiment is no whole training of a tokenizer.
    """
    config, state = load_weights(exp_dir, which, prefix="codec.")
    origin = recorded_origin(config, exp_dir)
    tokenizer = learned_class(config["tokenizer"]).from_settings(config["tokenizer_conf"], origin)
    load_state_strict(tokenizer.codec, state, str(exp_dir))
    history = json.loads((Path(exp_dir) / "history.json").read_text(encoding="utf-8"))
    tokenizer.report = {"checkpoint": which, "config": config.get("config")}
    if which != "best":  # which epoch that was, its weights don't say
        epoch = int(which) if str(which).isdigit() else len(history)
        tokenizer.report |= {"num_epochs": epoch, "last_valid": history[epoch - 1]["valid"]}
    tokenizer.save(Path(exp_dir) / EXPORTED if out_dir is None else out_dir)
    return tokenizer


def learned_class(kind: str) -> type[LearnedTokenizer]:
    """The class of a kind that is trained by steps.

    Raises:
        ConfigError: If it is fitted at once.
    """
    found = tokenizer_class(kind)
    if not issubclass(found, LearnedTokenizer):
        raise ConfigError(f"tokenizer {kind} is not trained by this task but by fit_{kind}")
    return found


def recorded_origin(config: Mapping[str, Any], exp_dir: str | Path) -> Origin:
    """What an experiment's features were.

    Raises:
        CheckpointError: If its config doesn't say so.
    """
    try:
        return Origin(**config["data_record"]["origin"])
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            f"{exp_dir}/config.yaml: expected data_record.origin, which the training of a"
            f" tokenizer writes, found none ({error})",
            stage="tokenizer",
        ) from error
