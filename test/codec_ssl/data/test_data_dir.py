import pytest

from codec_ssl.data.alignment import Segment
from codec_ssl.data.data_dir import DataDir, read_table
from codec_ssl.errors import DataError


@pytest.fixture
def data_dir(tmp_path):
    """Four utterances of two speakers, one with a digit, one with phones."""
    return DataDir.write(
        tmp_path / "data",
        wav={utt: f"/audio/{utt} x.wav" for utt in ("a-1", "a-2", "b-1", "b-2")},
        utt2spk={"a-1": "a", "a-2": "a", "b-1": "b", "b-2": "b"},
        text={"a-1": "one", "a-2": "two", "b-1": "three words here", "b-2": ""},
        labels={"digit": {"a-1": "1", "a-2": "2"}, "empty": {}},
        phones={"a-1": [Segment(0.0, 0.25, "w"), Segment(0.25, 0.5, "ʌ")]},
    )


def problems(path, **kwargs) -> str:
    with pytest.raises(DataError) as error:
        DataDir(path).validate(**kwargs)
    return str(error.value)


def test_what_is_written_is_read(data_dir):
    again = DataDir(data_dir.path)
    assert again.utt_ids == ["a-1", "a-2", "b-1", "b-2"]
    assert again.source("b-1").path == "/audio/b-1 x.wav"
    assert again.source("b-1").start is None
    assert again.text["b-1"] == "three words here"
    assert again.labels("digit") == {"a-1": "1", "a-2": "2"}
    assert again.labels("spk") == again.utt2spk
    assert again.label_names == ["digit", "spk"]
    assert again.phones["a-1"] == [Segment(0.0, 0.25, "w"), Segment(0.25, 0.5, "ʌ")]
    assert read_table(again.path / "spk2utt") == {"a": "a-1 a-2", "b": "b-1 b-2"}
    again.validate(require_text=True)


def test_segments_give_the_seconds_of_a_recording(tmp_path):
    made = DataDir.write(
        tmp_path / "d",
        wav={"rec": "/rec.wav"},
        utt2spk={"u1": "s", "u2": "s"},
        segments={"u1": ("rec", 0.5, 1.25), "u2": ("rec", 2.0, None)},
    )
    source = DataDir(made.path).source("u1")
    assert (source.path, source.start, source.end) == ("/rec.wav", 0.5, 1.25)
    assert made.source("u2").end is None
    assert made.utt_ids == ["u1", "u2"]


def test_tables_of_an_earlier_data_dir_do_not_stay(data_dir):
    DataDir.write(data_dir.path, wav={"u": "/u.wav"}, utt2spk={"u": "s"})
    assert sorted(path.name for path in data_dir.path.iterdir()) == [
        "spk2utt",
        "utt2spk",
        "wav.scp",
    ]


def test_a_write_that_dies_leaves_no_data_dir(data_dir):
    with pytest.raises(DataError):
        DataDir.write(data_dir.path, wav={"u": "/u.wav"}, utt2spk={"u": "two words"})
    with pytest.raises(DataError, match=r"no wav\.scp"):
        DataDir(data_dir.path)


def test_missing_labels_name_those_that_are_there(data_dir):
    with pytest.raises(DataError, match=r"utt2emotion, found labels \['digit', 'spk'\]"):
        data_dir.labels("emotion")


def test_a_missing_folder_names_the_stage():
    with pytest.raises(DataError, match=r"nowhere: .*rerun stage 'data'"):
        DataDir("nowhere")


def test_a_shell_pipe_is_refused_by_name(data_dir):
    (data_dir.path / "wav.scp").write_text("a-1 sph2pipe -f wav x.sph |\n")
    with pytest.raises(DataError, match=r"a-1: .*shell pipe"):
        _ = DataDir(data_dir.path).wav_scp


@pytest.mark.parametrize(
    ("table", "content", "message"),
    [
        ("utt2spk", "a-1 a\na-2 a\nb-1 b\n", "utt2spk: no line for utterance 'b-2'"),
        (
            "utt2spk",
            "a-1 a\na-2 a\nb-1 b\nb-2 b\nc-1 c\n",
            "utt2spk: 'c-1' is not an utterance",
        ),
        ("utt2spk", "a-1 a\nb-1 b\na-2 a\nb-2 b\n", "utt2spk:2: not sorted: expected 'a-2'"),
        ("text", "c-1 hello\n", "text: 'c-1' is not an utterance"),
        ("utt2digit", "c-1 hello\n", "utt2digit: 'c-1' is not an utterance"),
        ("phones.ctm", "c-1 1 0.0 0.1 a\n", "phones.ctm: 'c-1' is not an utterance"),
        ("spk2utt", "a a-1\n", "spk2utt: differs from utt2spk"),
        ("segments", "u-1 rec 0 1\n", "segments: u-1: its recording 'rec' is not in wav.scp"),
        ("segments", "u-1 a-1 2 1\n", "u-1: expected 0 <= start < end"),
        ("segments", "u-1 a-1 x 1\n", "u-1: expected 'recording start end'"),
        ("segments", "u-1 a-1\n", "u-1: expected 'recording start end'"),
        ("segments", "u-1 a-1 nan 1\n", "u-1: expected 0 <= start < end"),
    ],
)
def test_validate_names_the_file_and_the_utterance(data_dir, table, content, message):
    (data_dir.path / table).write_text(content)
    assert message in problems(data_dir.path)


def test_a_duplicate_utterance_id_is_named_with_its_line(data_dir):
    with open(data_dir.path / "wav.scp", "a") as file:
        file.write("a-1 /audio/other.wav\n")
    assert "wav.scp:5: expected each key once, found 'a-1' again" in problems(data_dir.path)


def test_transcripts_are_required_only_where_asked_for(data_dir):
    (data_dir.path / "text").write_text("a-1 one\n")
    DataDir(data_dir.path).validate()
    assert "text: no line for utterance 'a-2'" in problems(data_dir.path, require_text=True)


def test_many_problems_are_counted(tmp_path):
    wav = {f"u{index:03d}": "/x.wav" for index in range(100)}
    made = DataDir.write(tmp_path / "d", wav=wav, utt2spk=dict.fromkeys(wav, "s"))
    (made.path / "utt2spk").write_text("u000 s\n")
    (made.path / "spk2utt").unlink()
    assert "and 89 more" in problems(made.path)
