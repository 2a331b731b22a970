"""Folds: every utterance once, labels spread, speakers together where that is asked for."""

from pathlib import Path

import pytest

from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.folds import divide, divide_by
from codec_ssl.errors import DataError


@pytest.fixture
def source(tmp_path: Path) -> DataDir:
    utts = [f"s{speaker}-{number:02d}" for speaker in range(6) for number in range(10)]
    return DataDir.write(
        tmp_path / "all",
        wav={utt: f"/nowhere/{utt}.wav" for utt in utts},
        utt2spk={utt: utt.split("-")[0] for utt in utts},
        labels={
            "colour": {utt: "red" if int(utt[-1]) % 2 else "blue" for utt in utts},
            "fold": {utt: f"part{int(utt[-1]) % 4}" for utt in utts},
            "rare": {"s0-00": "x"},
        },
    )


def test_each_fold_has_as_much_of_each_label(source: DataDir, tmp_path: Path):
    made = divide(source, tmp_path / "folds", 5, "colour")
    assert sorted(utt for fold in made for utt in fold.utt_ids) == source.utt_ids
    for fold in made:
        colours = list(fold.labels("colour").values())
        assert len(colours) == 12 and colours.count("red") == 6
    assert [f.path.name for f in made] == ["fold00", "fold01", "fold02", "fold03", "fold04"]


def test_speakers_stay_together(source: DataDir, tmp_path: Path):
    made = divide(source, tmp_path / "folds", 3, "colour", split_by="speaker")
    speakers = [set(fold.utt2spk.values()) for fold in made]
    assert sum(map(len, speakers)) == len(set.union(*speakers)) == 6


def test_folds_that_are_given_are_kept(source: DataDir, tmp_path: Path):
    made = divide_by(source, tmp_path / "folds", "fold")
    for number, fold in enumerate(made):
        assert set(fold.labels("fold").values()) == {f"part{number}"}


def test_folds_of_another_division_are_not_left_beside_new_ones(source: DataDir, tmp_path: Path):
    divide(source, tmp_path / "folds", 5, "colour")
    divide(source, tmp_path / "folds", 5, "colour", seed=1)
    for again in (lambda out: divide(source, out, 3, "colour"),
                  lambda out: divide_by(source, out, "fold")):  # fmt: skip
        with pytest.raises(DataError, match=r"found \['fold0"):
            again(tmp_path / "folds")


def test_what_cannot_be_divided_is_refused(source: DataDir, tmp_path: Path):
    with pytest.raises(DataError, match="3 folds or more"):
        divide(source, tmp_path, 2, "colour")
    with pytest.raises(DataError, match="expected labels 'size'"):
        divide(source, tmp_path, 5, "size")
    with pytest.raises(DataError, match="expected at least 5"):
        divide(source, tmp_path, 5, "rare")
    with pytest.raises(DataError, match="expected 3 folds"):
        divide_by(source, tmp_path, "colour")
