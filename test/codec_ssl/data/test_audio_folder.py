from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from codec_ssl.data.audio import read_audio
from codec_ssl.data.audio_folder import list_recordings, prepare, read_manifest
from codec_ssl.errors import DataError

REAL = Path(__file__).parents[4] / "shared" / "data" / "real_audio"
COLUMNS = "utt_id\tpath\tcorpus\tspeaker\ttext\tlabel"


def record(path: Path, seconds: float = 0.1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(path.name))
    soundfile.write(path, 0.1 * rng.standard_normal(round(seconds * 8000)), 8000)
    return path


@pytest.fixture
def folder(tmp_path):
    """Three speakers with ten recordings each."""
    root = tmp_path / "my audio"
    for speaker in ("ann", "bob", "zoë"):
        for index in range(10):
            record(root / speaker / f"{index}.wav")
    return root


@pytest.fixture
def manifest(folder):
    """The folder's table: two corpora, digits as labels, a quote and a bar in the text."""
    lines = [COLUMNS]
    for speaker in ("ann", "bob", "zoë"):
        for index in range(10):
            corpus = "digits" if speaker != "zoë" else "other"
            text = 'he said "one|two' if index == 0 else ""
            cells = (f"{speaker}{index}", f"{speaker}/{index}.wav", corpus, speaker, text)
            lines.append("\t".join((*cells, str(index % 2))))
    path = folder.parent / "manifest.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_without_a_manifest_the_parent_folder_is_the_speaker(folder, tmp_path):
    made = prepare(folder, tmp_path / "out")
    assert [(each.path.name, len(each)) for each in made] == [
        ("train", 24),
        ("valid", 3),
        ("test", 3),
    ]
    everything = {utt: spk for each in made for utt, spk in each.utt2spk.items()}
    assert everything["zoë-3"] == "zoë"
    assert len(everything) == 30
    for each in made:
        each.validate()
        assert Counter(each.utt2spk.values()).keys() == {"ann", "bob", "zoë"}
        for utt_id in each.utt_ids:
            assert len(read_audio(each.source(utt_id))[0]) == 800


def test_splits_do_not_depend_on_the_order_of_files_or_on_other_speakers(folder, tmp_path):
    before = prepare(folder, tmp_path / "before")
    for index in range(7):
        record(folder / "carl" / f"{index}.wav")
    after = prepare(folder, tmp_path / "after")
    for old, new in zip(before, after, strict=True):
        assert set(old.utt_ids) <= set(new.utt_ids)
    other_seed = prepare(folder, tmp_path / "seed", seed=1)
    assert other_seed[1].utt_ids != after[1].utt_ids


def test_speakers_can_be_kept_apart(folder, tmp_path):
    made = prepare(folder, tmp_path / "out", split_by="speaker")
    speakers = [set(each.utt2spk.values()) for each in made]
    assert sorted(map(len, speakers)) == [1, 1, 1]
    assert len(set.union(*speakers)) == 3


def test_a_speaker_can_be_kept_for_a_data_dir_of_their_own(folder, tmp_path):
    *splits, unseen = prepare(folder, tmp_path / "out", unseen=["bob"])
    assert [each.path.name for each in splits] == ["train", "valid", "test"]
    assert unseen.path.name == "unseen" and set(unseen.utt2spk.values()) == {"bob"}
    assert all("bob" not in each.utt2spk.values() for each in splits)
    whole = prepare(folder, tmp_path / "whole")
    # The others stay where they were.
    for part, all_of_it in zip(splits, whole, strict=True):
        assert set(part.utt_ids) <= set(all_of_it.utt_ids)
    with pytest.raises(DataError, match=r"an unseen speaker carl, found \['ann', 'bob', 'zoë'\]"):
        prepare(folder, tmp_path / "none", unseen=["carl"])


def test_a_manifest_gives_text_and_every_column_as_labels(folder, manifest, tmp_path):
    made = prepare(folder, tmp_path / "out", manifest=manifest)
    text = {utt: words for each in made for utt, words in each.text.items()}
    assert text == dict.fromkeys(("ann0", "bob0", "zoë0"), 'he said "one|two')
    train = made[0]
    assert train.label_names == ["corpus", "label", "speaker", "spk"]
    assert set(train.labels("speaker").values()) == {"digits-ann", "digits-bob", "other-zoë"}
    per_class = Counter((spk, train.labels("label")[utt]) for utt, spk in train.utt2spk.items())
    assert set(per_class.values()) == {4}


def test_the_language_column_is_utt2lang(folder, tmp_path):
    table = tmp_path / "manifest.tsv"
    rows = [f"{name}{n}\t{name}/{n}.wav\t{name[:2]}" for name in ("ann", "bob") for n in range(10)]
    table.write_text("\n".join(["utt_id\tpath\tlanguage", *rows]) + "\n")
    for made in prepare(folder, tmp_path / "out", manifest=table, where={"language": {"bo"}}):
        assert made.labels("lang") == dict.fromkeys(made.utt_ids, "bo")


def test_rows_can_be_chosen_by_any_column(folder, manifest, tmp_path):
    whole = prepare(folder, tmp_path / "whole", manifest=manifest)
    made = prepare(folder, tmp_path / "out", manifest=manifest, where={"corpus": {"digits"}})
    assert {spk for each in made for spk in each.utt2spk.values()} == {"digits-ann", "digits-bob"}
    for part, all_of_it in zip(made, whole, strict=True):
        assert set(part.utt_ids) <= set(all_of_it.utt_ids)
    with pytest.raises(
        DataError, match=r"corpus to be one of \['x'\], found \['digits', 'other'\]"
    ):
        prepare(folder, tmp_path / "none", manifest=manifest, where={"corpus": {"x"}})


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("u\ta.wav\n", r"tsv:2: expected 6 columns, found 2"),
        ("u v\ta.wav\t\t\t\t\n", r"tsv:2: expected an utt_id without blanks"),
        ("u\ta.wav\t\t\t\t\nu\tb.wav\t\t\t\t\n", r"tsv:3: utterance 'u' is there twice"),
    ],
)
def test_a_malformed_manifest_is_named_by_its_line(tmp_path, rows, message):
    path = tmp_path / "m.tsv"
    path.write_text(COLUMNS + "\n" + rows)
    with pytest.raises(DataError, match=message):
        read_manifest(path, tmp_path)
    path.write_text("utt_id,path\nu,a.wav\n")
    with pytest.raises(DataError, match="tab separated"):
        read_manifest(path, tmp_path)


def test_names_become_keys_and_collisions_get_a_number(tmp_path, caplog):
    for name in ("a b/c.wav", "a_b/c.wav", "a b/c.flac", "x.wav", ".hidden/y.wav", "._z.wav"):
        record(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no audio")
    found = list_recordings(tmp_path)
    assert [each.utt_id for each in found] == ["a_b-c", "a_b-c-2", "a_b-c-3", "x"]
    assert len({each.path for each in found}) == 4
    assert found[-1].speaker == ""
    assert "is taken" in caplog.text


def test_long_recordings_are_cut_into_equal_segments(tmp_path):
    record(tmp_path / "in" / "long.wav", 10.0)
    record(tmp_path / "in" / "short.wav", 1.0)
    made = prepare(tmp_path / "in", tmp_path / "out", max_duration=3.0)
    sources = [each.source(utt) for each in made for utt in each.utt_ids]
    lengths = {source.utt_id: len(read_audio(source)[0]) for source in sources}
    assert lengths.pop("short") == 8000
    assert set(lengths) == {f"long-{index:04d}" for index in range(4)}
    assert sum(lengths.values()) == 80000
    assert max(lengths.values()) <= 3 * 8000


def test_too_little_audio_and_no_audio_are_errors(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        prepare(tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").touch()
    with pytest.raises(DataError, match="found 1 files of other kinds"):
        prepare(tmp_path / "in", tmp_path / "out")
    record(tmp_path / "in" / "a.wav")
    with pytest.raises(DataError, match="at least 3 utterances"):
        prepare(tmp_path / "in", tmp_path / "out")
    for name in ("b.wav", "c.wav"):
        record(tmp_path / "in" / name)
    assert [len(each) for each in prepare(tmp_path / "in", tmp_path / "out")] == [1, 1, 1]


@pytest.mark.skipif(not REAL.is_dir(), reason="recorded speech is not here")
def test_real_recordings_by_their_manifest(tmp_path):
    where = {"corpus": {"fsdd", "wakewords"}}
    made = prepare(REAL, tmp_path, manifest=REAL / "manifest.tsv", where=where)
    assert sum(map(len, made)) == 1100 + 179
    assert abs(len(made[0]) - 0.8 * 1279) < 20
    train, _, test = made
    digits = {
        train.labels("label")[u] for u in train.utt_ids if train.labels("corpus")[u] == "fsdd"
    }
    assert len(digits) == 10
    assert set(test.labels("speaker").values()) <= set(train.labels("speaker").values())
