"""Alarms that stop a run which is only heating the room: collapse, and a loss of nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codec_ssl.errors import ConfigError, TrainingError

_ADVICE = {
    "loss": "the targets leak into the input or are constant: look at the labels (perplexity, "
    "usage), at the masked fraction, and that labels belong to these codes",
    "code_usage": "almost one target is left: look at the teacher's decay and learning rate, at "
    "the codebooks' initialisation, or at the label store; of a tokenizer, at its features: "
    "codebooks that are moving averages lose data far from the origin",
    "relative_reconstruction_loss": "the features are constant: look at encoder and layer",
    "target_perplexity": "the targets collapsed: look at the teacher's decay and learning rate, "
    "at the normalisation of its features, or at the label store",
    "pred_perplexity": "the model predicts one class for every frame: look at the learning rate "
    "and warmup, and whether gradients reach the encoder",
}


@dataclass(frozen=True)
class Alarm:
    """Ring when a training statistic stays under a limit.

    Attributes:
        stat: Name of the statistic.
        below: The limit.
        epochs: How many epochs in a row.
    """

    stat: str
    below: float
    epochs: int

    def check(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Look at the last epochs.

        Args:
            history: Entries of ``history.json``.

        Raises:
            TrainingError: Saying what was seen and what to look at.
        """
        last = [entry["train"].get(self.stat) for entry in history[-self.epochs :]]
        if len(last) < self.epochs or not all(v is not None and v < self.below for v in last):
            return
        seen = ", ".join(f"{value:.4g}" for value in last)
        advice = _ADVICE.get(self.stat, "look at the training curves in history.json")
        raise TrainingError(
            f"alarm: {self.stat} was under {self.below:g} in {self.epochs} epochs in a row "
            f"({seen}), stopped at epoch {history[-1]['epoch']}; {advice} "
            f"(--alarm_conf {self.stat}=null turns this alarm off)"
        )


def build_alarms(conf: Mapping[str, Any]) -> list[Alarm]:
    """Read ``--alarm_conf``: ``{statistic: [limit, epochs] or null}``.

    Raises:
        ConfigError: A value is something else.
    """
    alarms = []
    for stat, value in conf.items():
        if value is None:
            continue
        if not isinstance(value, list | tuple) or len(value) != 2 or int(value[1]) < 1:
            raise ConfigError(f"alarm_conf: {stat} must be [limit, epochs] or null, not {value!r}")
        alarms.append(Alarm(stat, float(value[0]), int(value[1])))
    return alarms
