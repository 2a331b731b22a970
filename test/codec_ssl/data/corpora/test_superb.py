"""Corpora of SUPERB's tasks: tiny copies of their public layouts become data dirs."""

from collections.abc import Callable
from pathlib import Path

import pytest
import superb_corpora

from codec_ssl.data.alignment import Segment
from codec_ssl.data.corpora import (
    audio_snips,
    fluent_speech_commands,
    iemocap,
    librimix,
    quesst14,
    speech_commands,
    voxceleb1,
)
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.superb.tables import (
    SLOTS,
    read_matches,
    read_rttm,
    read_symbols,
    read_trials,
)
from codec_ssl.errors import DataError


def names(made: list[DataDir], folder: Path) -> list[str]:
    return [str(data_dir.path.relative_to(folder)) for data_dir in made]


def exist(made: list[DataDir]) -> bool:
    return all(Path(path).is_file() for data_dir in made for path in data_dir.wav_scp.values())


def test_speech_commands_1_has_the_benchmarks_seconds_of_noise(tmp_path: Path):
    superb_corpora.speech_commands(tmp_path)
    made = speech_commands.prepare(tmp_path, tmp_path / "out", "0.01")
    assert names(made, tmp_path / "out") == ["train", "valid", "test"] and exist(made)
    pieces = {f"noise_{n}_000{i}" for n in ("running_tap", "white_noise") for i in range(3)}
    train, valid, test = (data_dir.labels("command") for data_dir in made)
    assert {utt for utt, command in train.items() if command == "_silence_"} == pieces
    assert {utt for utt, command in valid.items() if command == "_silence_"} == pieces
    assert train.keys() - pieces == {"yes_0a_nohash_0", "bed_0a_nohash_0"}
    assert valid["bed_0b_nohash_0"] == "_unknown_"
    assert test == {
        "yes_0c_nohash_0": "yes",
        "unknown_0c_nohash_1": "_unknown_",
        "silence_3": "_silence_",
    }
    last = made[0].segments["noise_white_noise_0002"]
    assert last == ("white_noise", 2.0, 2.5)


def test_speech_commands_has_no_third_version(tmp_path: Path):
    with pytest.raises(DataError, match=r"0\.03"):
        speech_commands.prepare(tmp_path, tmp_path / "out", "0.03")


def test_speech_commands_1_splits_as_s3prl_does(tmp_path: Path):
    """The lists are what the corpus's own hash of the speaker gives; s3prl computes it again."""
    corpus = pytest.importorskip("s3prl.dataio.corpus.speech_commands")
    superb_corpora.speech_commands(tmp_path)
    root = tmp_path / "speech_commands_v0.01"
    for number in range(40):
        superb_corpora.noise(root / "yes" / f"{number:02x}ff_nohash_0.wav", 0.01)
    train, valid = corpus.SpeechCommandsV1.split_dataset(root)
    left = {path for path in root.glob("[a-z]*/*.wav")} - {path for _, path in (*train, *valid)}
    for file, found in (("validation", {p for _, p in valid}), ("testing", left)):
        listed = sorted(f"{path.parent.name}/{path.name}" for path in found)
        superb_corpora.lines(root / f"{file}_list.txt", *listed)
    made = speech_commands.prepare(tmp_path, tmp_path / "out", "0.01")
    for data_dir, theirs in zip(made, (train, valid), strict=False):
        commands = data_dir.labels("command").items()
        spoken = {data_dir.source(utt).path for utt, command in commands if command != "_silence_"}
        assert set(map(Path, spoken)) == {path for _, path in theirs}


def test_fluent_has_three_labels_and_the_words(tmp_path: Path):
    made = fluent_speech_commands.prepare(superb_corpora.fluent(tmp_path), tmp_path / "out")
    assert names(made, tmp_path / "out") == ["train", "valid", "test"] and exist(made)
    train = made[0]
    assert train.labels("action") == {"train-0": "activate", "train-1": "deactivate"}
    assert train.labels("object")["train-0"] == "lights"
    assert train.labels("location")["train-1"] == "none"
    assert train.text["train-0"] == "Turn the lights, please" and train.utt2spk["train-1"] == "b"


def test_voxceleb1_identifies_all_speakers_in_each_part(tmp_path: Path):
    superb_corpora.voxceleb1(tmp_path)
    made = voxceleb1.prepare_identification(tmp_path, tmp_path / "out")
    assert [len(data_dir) for data_dir in made] == [8, 8, 8] and exist(made)
    assert all(len(set(data_dir.utt2spk.values())) == 8 for data_dir in made)
    assert made[1].utt2spk["id10270-vid-00002"] == "id10270"


def test_voxceleb1_verifies_speakers_that_nobody_trained_on(tmp_path: Path):
    superb_corpora.voxceleb1(tmp_path)
    made = voxceleb1.prepare_verification(tmp_path, tmp_path / "out", valid_speakers=2)
    train, valid, test = made
    assert exist(made) and len(train) == 12 and len(valid) == 6
    speakers = [set(data_dir.utt2spk.values()) for data_dir in made]
    assert not speakers[0] & speakers[1] and not speakers[0] & speakers[2]
    assert read_trials(test) == [
        (True, "id10270-vid-00001", "id10270-vid-00002"),
        (False, "id10270-vid-00001", "id10309-vid-00003"),
    ]
    assert all(
        trial.target == (valid.utt2spk[trial.enrol] == valid.utt2spk[trial.test])
        for trial in read_trials(valid)
    )
    again = voxceleb1.prepare_verification(tmp_path, tmp_path / "again", valid_speakers=2)
    assert read_trials(again[1]) == read_trials(valid)
    with pytest.raises(DataError, match="2 to 5 speakers"):
        voxceleb1.prepare_verification(tmp_path, tmp_path / "out", valid_speakers=6)


def test_voxceleb1_says_whose_folder_or_which_line_is_wrong(tmp_path: Path):
    superb_corpora.voxceleb1(tmp_path)
    (tmp_path / "veri_test2.txt").rename(tmp_path / "voxceleb1_test_v2.txt")
    voxceleb1.prepare_verification(tmp_path, tmp_path / "out", valid_speakers=2)
    superb_corpora.lines(tmp_path / "iden_split.txt", "1 id19999/vid/00001.wav")
    with pytest.raises(DataError, match="id19999"):
        voxceleb1.prepare_identification(tmp_path, tmp_path / "out")
    superb_corpora.lines(tmp_path / "iden_split.txt", "4 id10001/vid/00001.wav")
    with pytest.raises(DataError, match=r"iden_split\.txt:1"):
        voxceleb1.prepare_identification(tmp_path, tmp_path / "out")


@pytest.mark.parametrize("without", ["rttm", "segments"])
def test_librimix_has_turns_from_either_of_kaldis_files(tmp_path: Path, without: str):
    superb_corpora.librimix(tmp_path)
    for part in ("train", "dev", "test"):
        (tmp_path / "data" / part / without).unlink()
    made = librimix.prepare(tmp_path / "data", tmp_path / "out")
    assert names(made, tmp_path / "out") == ["train", "valid", "test"] and exist(made)
    turns = [Segment(0.1, 1.2, "100"), Segment(0.5, 1.9, "200")]
    assert read_rttm(made[1]) == {"100-1-0001_200-2-0002_dev": turns}


def test_librimix_is_found_where_it_was_moved(tmp_path: Path):
    superb_corpora.librimix(tmp_path)
    (tmp_path / "Libri2Mix").rename(tmp_path / "elsewhere")
    audio = tmp_path / "elsewhere" / "wav16k"
    assert exist(librimix.prepare(tmp_path / "data", tmp_path / "out", audio))


def test_iemocap_tests_each_fold_on_a_session_of_its_own(tmp_path: Path):
    made = iemocap.prepare(superb_corpora.iemocap(tmp_path), tmp_path / "out")
    expected = [f"fold{n}/{part}" for n in range(1, 6) for part in ("train", "valid", "test")]
    assert names(made, tmp_path / "out") == expected and exist(made)
    for number in range(5):
        train, valid, test = made[3 * number : 3 * number + 3]
        assert set(test.utt2spk.values()) == {f"Ses0{number + 1}F", f"Ses0{number + 1}M"}
        parts = [set(data_dir.utt_ids) for data_dir in (train, valid, test)]
        assert sum(map(len, parts)) == len(set.union(*parts)) == 100
        # Of each emotion a fifth of 16, or of 32, to within one.
        assert abs(len(valid) - 16) <= 2 and valid.labels("emotion").keys() == set(valid.utt_ids)
        assert not set(train.utt2spk.values()) & set(test.utt2spk.values())
    labels = made[2].labels("emotion")
    assert sorted(set(labels.values())) == ["angry", "happy", "neutral", "sad"]
    assert sum(label == "happy" for label in labels.values()) == 8  # with the excited ones
    acts = DataDir(tmp_path / "out" / "all").labels("act")
    assert acts["Ses03F_script01_1_M001"] == "scripted"


def test_iemocap_without_a_session_names_it(tmp_path: Path):
    superb_corpora.iemocap(tmp_path)
    (tmp_path / "IEMOCAP_full_release" / "Session4").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="Session4"):
        iemocap.prepare(tmp_path, tmp_path / "out")


def test_snips_marks_the_slots_of_the_benchmarks_spelling(tmp_path: Path):
    made = audio_snips.prepare(superb_corpora.snips(tmp_path), tmp_path / "out")
    assert [data_dir.utt_ids for data_dir in made] == [[name] for name in superb_corpora.SNIPS]
    assert exist(made)
    found = {utt: " ".join(tokens) for d in made for utt, tokens in read_symbols(d, SLOTS).items()}
    assert found == {
        "Ivy-snips-train-0": "PLAY B-track ZOE'S HIT E-track BY B-artist BJORK E-artist",
        "Amy-snips-valid-0": "RATE B-object AON FLUX E-object B-rating THREE E-rating AND",
        "Emma-snips-test-0": "BOOK A TABLE",
    }
    assert made[1].text["Amy-snips-valid-0"] == "RATE AON FLUX THREE AND"
    assert made[0].labels("intent") == {"Ivy-snips-train-0": "PlayMusic"}
    assert made[0].utt2spk == {"Ivy-snips-train-0": "Ivy"}


def test_snips_with_a_tag_too_few_names_the_line(tmp_path: Path):
    superb_corpora.snips(tmp_path)
    table = tmp_path / "SNIPS" / "all.iob.snips.txt"
    table.write_text("Ivy-snips-train-0 BOS play EOS\tO PlayMusic\n")
    with pytest.raises(DataError, match=r"snips\.txt:1"):
        audio_snips.prepare(tmp_path, tmp_path / "out")


def test_quesst14_matches_queries_and_documents_of_one_language(tmp_path: Path):
    docs, *queries = quesst14.prepare(superb_corpora.quesst14(tmp_path), tmp_path / "out")
    assert docs.utt_ids == ["quesst14_00001", "quesst14_00002"] and exist([docs, *queries])
    for name, theirs, found in zip(("valid", "test"), ("dev", "eval"), queries, strict=True):
        assert found.path.name == f"queries_{name}" and len(found) == 2
        expected = {(f"quesst14_{theirs}_0001", "quesst14_00002")}
        assert read_matches(found, name, docs) == expected
    with pytest.raises(DataError, match="albanian"):
        quesst14.prepare(tmp_path, tmp_path / "out", "albanian")


PREPARE: list[Callable] = [
    audio_snips.prepare,
    fluent_speech_commands.prepare,
    iemocap.prepare,
    librimix.prepare,
    quesst14.prepare,
    voxceleb1.prepare_identification,
    voxceleb1.prepare_verification,
]


@pytest.mark.parametrize("prepare", PREPARE, ids=lambda f: f"{f.__module__}.{f.__name__}")
def test_an_empty_folder_is_refused_by_name(prepare: Callable, tmp_path: Path):
    with pytest.raises(DataError, match=str(tmp_path / "nothing")):
        prepare(tmp_path / "nothing", tmp_path / "out")
