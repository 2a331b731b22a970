"""The tables of SUPERB's data dirs: written, read again, and refused where they lie."""

from pathlib import Path

import pytest

from codec_ssl.data.alignment import Segment
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.superb import tables
from codec_ssl.data.superb.tables import Trial
from codec_ssl.errors import DataError


@pytest.fixture
def data_dir(tmp_path: Path) -> DataDir:
    utts = {name: name for name in ("a", "b", "c")}
    return DataDir.write(tmp_path / "set", wav=utts, utt2spk=utts)


def test_symbols_come_back_and_every_utterance_has_some(data_dir: DataDir):
    found = {"a": ["AH", "K"], "b": ["S"], "c": ["T", "T"]}
    tables.write_symbols(data_dir, tables.PHONES, found)
    assert (data_dir.path / "phones").read_text() == "a AH K\nb S\nc T T\n"
    assert tables.read_symbols(data_dir, tables.PHONES) == found
    with pytest.raises(DataError, match="of c, found none"):
        tables.write_symbols(data_dir, tables.PHONES, {**found, "c": []})
    with pytest.raises(DataError, match="'d' is not an utterance"):
        tables.write_symbols(data_dir, tables.PHONES, {**found, "d": ["S"]})
    tables.write_symbols(data_dir, tables.SLOTS, {**found, "c": []}, allow_empty=True)
    assert tables.read_symbols(data_dir, tables.SLOTS, allow_empty=True)["c"] == []


def test_trials_come_back_in_their_order(data_dir: DataDir):
    trials = [Trial(False, "c", "a"), Trial(True, "a", "b")]
    tables.write_trials(data_dir, trials)
    assert (data_dir.path / "trials").read_text() == "0 c a\n1 a b\n"
    assert tables.read_trials(data_dir) == trials


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 a b\n0 a\n", "trials:2"),
        ("2 a b\n0 a c\n", "1 or 0"),
        ("1 a b\n0 a z\n", "'z' is not an utterance"),
        ("1 a b\n", "of one and of two speakers"),
    ],
)
def test_trials_that_cannot_be_scored_are_refused(data_dir: DataDir, text: str, message: str):
    (data_dir.path / "trials").write_text(text)
    with pytest.raises(DataError, match=message):
        tables.read_trials(data_dir)


def test_turns_come_back_to_a_tenth_of_a_millisecond(data_dir: DataDir):
    turns = {name: [Segment(0.5, 1.25, "y"), Segment(0.1, 0.7, "x")] for name in data_dir.utt_ids}
    tables.write_rttm(data_dir, turns)
    first = (data_dir.path / "rttm").read_text().splitlines()[0]
    assert first == "SPEAKER a 1 0.1000 0.6000 <NA> <NA> x <NA> <NA>"
    assert tables.read_rttm(data_dir) == {name: sorted(found) for name, found in turns.items()}
    with pytest.raises(DataError, match="turns of c"):
        tables.write_rttm(data_dir, {"a": turns["a"], "b": turns["b"]})


@pytest.mark.parametrize(
    "line", ["SPEAKER a 1 0.1", "SPEAKER a 1 x 1 . . s . .", "SPEAKER a 1 0 0 . . s . ."]
)
def test_a_turn_without_times_names_its_line(tmp_path: Path, line: str):
    path = tmp_path / "rttm"
    path.write_text(f"SPKR-INFO a\n{line}\n")
    with pytest.raises(DataError, match="rttm:2"):
        tables.parse_rttm(path)


def test_matches_are_pairs_of_what_is_there(data_dir: DataDir, tmp_path: Path):
    docs = DataDir.write(tmp_path / "docs", wav={"d": "d"}, utt2spk={"d": "d"})
    tables.write_matches(data_dir, "valid", [("b", "d"), ("a", "d")], docs)
    assert (data_dir.path / "matches_valid").read_text() == "a d\nb d\n"
    assert tables.read_matches(data_dir, "valid", docs) == {("a", "d"), ("b", "d")}
    with pytest.raises(DataError, match="some document contains"):
        tables.write_matches(data_dir, "valid", [], docs)
    with pytest.raises(DataError, match="'c' is not an utterance"):
        tables.write_matches(data_dir, "valid", [("a", "c")], docs)
