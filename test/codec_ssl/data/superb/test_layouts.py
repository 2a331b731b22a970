"""The embedded corpus and a folder of recordings as data dirs of SUPERB's tasks."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from codec_ssl.data.alignment import Segment
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.superb import embedded, recordings
from codec_ssl.data.superb.tables import read_matches, read_rttm, read_symbols, read_trials
from codec_ssl.data.wav_file import write_wav
from codec_ssl.errors import DataError

SETS = ("train", "valid", "test")
SPEAKERS = (*(f"en-{letter}" for letter in "abcdefgh"), "fr-a")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight English speakers and a French one, in each set two keywords and a sentence of each."""
    root = tmp_path_factory.mktemp("corpus")
    for name in SETS:
        rows = []
        for speaker in SPEAKERS:
            rows += [(f"{speaker}-{name}-{i}", speaker, t) for i, t in enumerate(("yellow", "no"))]
            rows.append((f"{speaker}-{name}-2", speaker, f"the yellow boat of {name}"))
        wav = {utt: str(root / "wav" / f"{utt}.wav") for utt, _, _ in rows}
        for path in wav.values():
            write_wav(Path(path), np.full(3200, 0.1, np.float32), 16000)
        phones = [Segment(0.0, 0.05, "sil"), Segment(0.05, 0.1, "n"), Segment(0.1, 0.2, "oʊ")]
        DataDir.write(
            root / name,
            wav=wav,
            utt2spk={utt: speaker for utt, speaker, _ in rows},
            text={utt: text for utt, _, text in rows},
            labels={
                "lang": {utt: speaker[:2] for utt, speaker, _ in rows},
                "keyword": {utt: text for utt, _, text in rows if " " not in text},
            },
            phones={utt: phones for utt in wav},
        )
    return root


@pytest.fixture(scope="module")
def tasks(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tasks")
    made = embedded.make(corpus, out)
    assert {data_dir.path.parent.name for data_dir in made} == set(embedded.TASKS)
    return out


def test_each_task_of_the_embedded_corpus_has_its_labels(tasks: Path):
    for name in SETS:
        commands = DataDir(tasks / "ks" / name).labels("command")
        assert set(commands.values()) == {"yellow", "no"} and len(commands) == 18
        assert len(DataDir(tasks / "sid" / name)) == 27
        asr = DataDir(tasks / "asr" / name)
        assert len(asr) == 24 and asr.text[f"en-a-{name}-2"] == f"THE YELLOW BOAT OF {name.upper()}"
        pr = DataDir(tasks / "pr" / name)
        assert read_symbols(pr, "phones") == {utt: ["n", "oʊ"] for utt in asr.utt_ids}
        assert read_rttm(DataDir(tasks / "sd" / name))


def test_embedded_speakers_to_verify_are_in_one_set_and_english(tasks: Path):
    sets = {name: DataDir(tasks / "sv" / name) for name in SETS}
    speakers = [set(data_dir.utt2spk.values()) for data_dir in sets.values()]
    assert len(set.union(*speakers)) == 9 and [len(found) for found in speakers] == [5, 2, 2]
    assert "fr-a" in speakers[0]
    for name in ("valid", "test"):
        spoken = sets[name].utt2spk
        assert all(t.target == (spoken[t.enrol] == spoken[t.test]) for t in read_trials(sets[name]))


def test_embedded_queries_are_in_the_documents_that_say_them(tasks: Path):
    docs = DataDir(tasks / "qbe" / "docs")
    assert len(docs) == 24 and all(utt.endswith("-2") for utt in docs.utt_ids)
    queries = DataDir(tasks / "qbe" / "queries_test")
    assert queries.utt_ids == [f"{speaker}-test-0" for speaker in SPEAKERS]
    assert len(read_matches(queries, "test", docs)) == 9 * 24


def test_only_the_tasks_asked_for_are_made(corpus: Path, tmp_path: Path):
    embedded.make(corpus, tmp_path, ["sid"])
    assert [path.name for path in tmp_path.iterdir()] == ["sid"]
    with pytest.raises(DataError, match="'er'"):
        embedded.make(corpus, tmp_path, ["er"])


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest like that of the recordings; nothing opens their files."""
    root = tmp_path_factory.mktemp("recordings")
    rows = [("utt_id", "path", "corpus", "speaker", "text", "label", "note")]

    def add(corpus: str, utt: str, speaker: str = "", text: str = "", label="", note="") -> None:
        rows.append((utt, f"{corpus}/{utt}.flac", corpus, speaker, text, label, note))

    for speaker in ("ann", "bob", "cat", "dan", "eve"):
        for digit, word in enumerate(("zero", "one")):
            for number in range(6):
                add("fsdd", f"{digit}_{speaker}_{number}", speaker, word, str(digit))
    for number in range(10):
        add("wakewords", f"alexa_{number}", text="smart mirror", label="smart_mirror")
    parts = ("train-clean-100", "dev-clean", "test-other")
    for place, part in enumerate(parts):
        for speaker in range(2):
            for number in range(10 if speaker else 2):
                name = f"{place}{speaker}-1-{number:04d}"
                add("librispeech", name, f"{place}{speaker}", "SOME WORDS", note=part)
    for speaker in range(6):
        for label in ("anger", "boredom", "happiness", "neutral", "sadness"):
            add("emodb_2s", f"{speaker}{label}", f"s{speaker}", label=label)
    for number in range(10):
        drink = ("mocha", "latte")[number % 2]
        label = f"orderDrink|coffeeDrink=iced {drink}|size=small"
        add("barista_intent", f"order{number}", label=label + "|roast=dark roast" * (number > 4))
    (root / "manifest.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
    recordings.make(root, root / "out")
    return root / "out"


def sets_of(out: Path, task: str) -> list[DataDir]:
    return [DataDir(out / task / name) for name in SETS]


def test_recorded_keywords_have_digits_of_other_speakers_in_each_set(laid_out: Path):
    made = sets_of(laid_out, "ks")
    commands = [Counter(data_dir.labels("command").values()) for data_dir in made]
    assert commands[0] == {"zero": 18, "one": 18, "smart_mirror": 6}
    assert commands[1] == commands[2] == {"zero": 6, "one": 6, "smart_mirror": 2}
    speakers = [{s for s in data_dir.utt2spk.values() if s.startswith("fsdd")} for data_dir in made]
    assert [len(found) for found in speakers] == [3, 1, 1] and len(set.union(*speakers)) == 5


def test_recorded_speakers_are_in_all_sets_to_identify_and_in_one_to_verify(laid_out: Path):
    for data_dir in sets_of(laid_out, "sid"):
        assert len(set(data_dir.utt2spk.values())) == 5 + 3  # those with ten utterances
    made = sets_of(laid_out, "sv")
    speakers = [set(data_dir.utt2spk.values()) for data_dir in made]
    assert sum(map(len, speakers)) == len(set.union(*speakers))
    assert speakers[2] == {"librispeech-20", "librispeech-21"}
    for data_dir in made[1:]:
        corpora = {utt: speaker.split("-")[0] for utt, speaker in data_dir.utt2spk.items()}
        assert all(corpora[t.enrol] == corpora[t.test] for t in read_trials(data_dir))


def test_recorded_emotions_are_the_benchmarks_four_in_folds_by_speaker(laid_out: Path):
    tested: list[str] = []
    for number in range(1, 6):
        train, valid, test = sets_of(laid_out, f"er/fold{number}")
        assert set(train.labels("emotion").values()) == set(recordings.EMOTIONS.values())
        others = {*train.utt2spk.values(), *valid.utt2spk.values()}
        assert not others & set(test.utt2spk.values())
        tested += test.utt_ids
    assert len(tested) == len(set(tested)) == 24


def test_orders_have_three_labels_and_their_slots(laid_out: Path):
    labels = {name: {} for name in recordings.INTENT}
    for data_dir in sets_of(laid_out, "ic"):
        for name in labels:
            labels[name] |= data_dir.labels(name)
    assert labels["action"]["order3"] == "iced_latte" and labels["object"]["order3"] == "none"
    assert labels["location"]["order3"] == "none" and labels["location"]["order5"] == "dark_roast"
    slots = {}
    for data_dir in sets_of(laid_out, "sf"):
        slots |= read_symbols(data_dir, "slots")
        assert data_dir.text.keys() == set(data_dir.utt_ids)
    assert " ".join(slots["order6"]) == (
        "B-coffeeDrink ICED MOCHA E-coffeeDrink B-size SMALL E-size B-roast DARK ROAST E-roast"
    )


def test_recorded_books_keep_the_parts_of_their_corpus(laid_out: Path):
    for task in ("asr", "pr"):
        made = sets_of(laid_out, task)
        assert [utts[0] for utts in (d.utt_ids for d in made)] == [f"{n}0-1-0000" for n in range(3)]
        assert [len(data_dir) for data_dir in made] == [12, 12, 12]
