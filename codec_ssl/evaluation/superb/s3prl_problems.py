"""s3prl's own SUPERB problems on our data dirs, with as little of them replaced as must be.

========  ==============  =====================================================================
task      s3prl.problem   replaced, besides where the data come from
========  ==============  =====================================================================
ks        SuperbKS        sox effects (a gain of -3 dB): torchaudio has none since 2.9
sid       SuperbSID       crops of training begin at multiples of 4 s, see ``Crops``
er        SuperbER        nothing
ic        SuperbIC        nothing
pr        SuperbPR        phones are given, where it would make them with a lexicon of its own
asr       SuperbASR       nothing
sf        SuperbSF        nothing
sv        SuperbASV       crops as of sid; sox effects (-3 dB, silence cut away); the checkpoint is
                          chosen by trials of valid, where it is by those of test
sd        SuperbSD        the scoring by dscore, which it clones from the network: its predictions
                          are scored by ``metrics.der``
========  ==============  =====================================================================

Query by example has no problem there.
"""

import pickle
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas
from s3prl.dataio.dataset import EncodeCategory, LoadAudio, get_info
from s3prl.problem import (
    SuperbASR,
    SuperbASV,
    SuperbER,
    SuperbIC,
    SuperbKS,
    SuperbPR,
    SuperbSD,
    SuperbSF,
    SuperbSID,
)
from s3prl.problem.base import Problem
from torch.utils.data import Dataset, Subset

from codec_ssl.data.data_dir import DataDir
from codec_ssl.evaluation.superb.s3prl_tables import SAMPLE_RATE, write_table, write_trials

SETS = ("train", "valid", "test")


class _Tables:
    """Takes ``prepare_data: {task, data}``: the folder of train, valid and test."""

    def prepare_data(
        self,
        prepare_data: Mapping[str, str],
        target_dir: str | Path,
        cache_dir: str | Path,
        get_path_only: bool = False,
    ) -> tuple[Path, Path, list[Path]]:
        """Write the three tables, or only say where they are."""
        paths = [Path(target_dir) / f"{name}.csv" for name in SETS]
        if not get_path_only:
            for name, path in zip(SETS, paths, strict=True):
                data_dir = DataDir(Path(prepare_data["data"]) / name)
                write_table(prepare_data["task"], data_dir, path)
        return paths[0], paths[1], [paths[2]]


class KS(_Tables, SuperbKS):
    """Keyword spotting."""


class SID(_Tables, SuperbSID):
    """Speaker identification."""

    def build_dataset(
        self,
        build_dataset: dict[str, Any],
        target_dir: str,
        cache_dir: str,
        mode: str,
        data_csv: str,
        encoder_path: str,
        frame_shift: int,
    ) -> Any:
        """As s3prl does, with ``Crops`` where it crops."""
        seconds = (build_dataset.get(mode) or {}).get("max_secs")
        if seconds is not None:
            table = pandas.read_csv(data_csv)
            return Crops(table, "label", _unpickled(encoder_path), seconds, keep_label=True)
        return super().build_dataset(
            build_dataset, target_dir, cache_dir, mode, data_csv, encoder_path, frame_shift
        )


class ER(_Tables, SuperbER):
    """Emotion recognition, one fold."""


class IC(_Tables, SuperbIC):
    """Intent classification."""


class PR(_Tables, SuperbPR):
    """Phone recognition."""


class ASR(_Tables, SuperbASR):
    """Speech recognition."""


class SF(_Tables, SuperbSF):
    """Slot filling."""


class SD(_Tables, SuperbSD):
    """Diarization, as far as the predictions."""

    def scoring(self, *args: Any, **kwargs: Any) -> None:
        """Leave out what needs dscore from the network; see ``s3prl_run``."""


class SV(SuperbASV):
    """Speaker verification, with trials of valid and of test."""

    def prepare_data(
        self,
        prepare_data: Mapping[str, str],
        target_dir: str | Path,
        cache_dir: str | Path,
        get_path_only: bool = False,
    ) -> tuple[Path, list[Path]]:
        """Write the tables of training and trials, or only say where they are."""
        folder, data = Path(target_dir), Path(prepare_data["data"])
        trials = [folder / f"{name}.csv" for name in SETS[1:]]
        if not get_path_only:
            write_table("sv", DataDir(data / SETS[0]), folder / "train.csv")
            for path in trials:
                write_trials(DataDir(data / path.stem), path)
        return folder / "train.csv", trials

    def build_dataset(
        self,
        build_dataset: dict[str, Any],
        target_dir: str,
        cache_dir: str,
        mode: str,
        data_csv: str,
        encoder_path: str,
    ) -> Dataset:
        """As s3prl does, with ``Crops`` and without sox effects in training."""
        if mode != SETS[0]:
            return super().build_dataset(
                build_dataset, target_dir, cache_dir, mode, data_csv, encoder_path
            )
        conf = build_dataset.get("train", {})
        table = pandas.read_csv(data_csv)
        data = Crops(table, "spk", _unpickled(encoder_path), conf.get("max_secs"))
        lengths = get_info(data, ["x_len"], Path(target_dir) / "train_utt_len")
        least = conf.get("min_secs", 0) * SAMPLE_RATE
        return Subset(data, [index for index, length in enumerate(lengths) if length > least])


class Crops(Dataset):
    """Utterances with a class each; long ones are cropped at random.

    Codes are kept by the content of a waveform. Crops that could begin anywhere would be new ones
    in each epoch, to be coded and kept for nothing: these begin at multiples of ``STEP_SECONDS``.

    Args:
        table: Utterances.
        column: Of the classes.
        encoder: s3prl's numbers of the classes.
        max_secs: Longest utterance, and length of a crop; None crops nothing.
        keep_label: Whether items have the name of their class too.
    """

    STEP_SECONDS = 4

    def __init__(
        self,
        table: pandas.DataFrame,
        column: str,
        encoder: Any,
        max_secs: float | None,
        keep_label: bool = False,
    ) -> None:
        self._ids, self._keep_label = table["id"].tolist(), keep_label
        steps = _Steps(self.STEP_SECONDS * SAMPLE_RATE)
        self._audio = LoadAudio(table["wav_path"].tolist(), max_secs=max_secs, generator=steps)
        self._labels = EncodeCategory(table[column].tolist(), encoder)

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> dict[str, Any]:
        audio, label = self._audio[index], self._labels[index]
        item = {
            "x": audio["wav"],
            "x_len": audio["wav_len"],
            "class_id": label["class_id"],
            "unique_name": self._ids[index],
        }
        return {**item, "label": label["label"]} if self._keep_label else item


class _Steps(random.Random):
    """Draws multiples of a step."""

    def __init__(self, step: int) -> None:
        super().__init__(0)
        self._step = step

    def randint(self, a: int, b: int) -> int:
        """One of a, a + step, ... up to b."""
        return a + self._step * super().randint(0, (b - a) // self._step)


def _unpickled(path: str) -> Any:
    """A file that this very run has written."""
    with open(path, "rb") as file:
        return pickle.load(file)


@dataclass(frozen=True)
class Backend:
    """One of s3prl's problems.

    Attributes:
        problem: Its class.
        metrics: Our names of its metrics, the one that chooses first.
        overrides: Sections of its configuration that are replaced.
    """

    problem: type[Problem]
    metrics: Mapping[str, str]
    overrides: Mapping[str, Any]


_NO_EFFECTS = {"build_dataset": {}}
BACKENDS = {
    "ks": Backend(KS, {"accuracy": "accuracy"}, _NO_EFFECTS),
    "sid": Backend(SID, {"accuracy": "accuracy"}, {}),
    "er": Backend(ER, {"accuracy": "accuracy"}, {}),
    "ic": Backend(IC, {"accuracy": "accuracy"}, {}),
    "pr": Backend(PR, {"per": "per"}, {}),
    "asr": Backend(ASR, {"wer": "wer", "cer": "cer"}, {}),
    "sf": Backend(SF, {m: m for m in ("slot_type_f1", "slot_value_cer")}, {}),
    "sv": Backend(SV, {"EER": "eer", "minDCF": "min_dcf"}, {}),
    "sd": Backend(SD, {"der": "frame_der"}, {}),
}
