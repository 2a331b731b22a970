from collections import Counter

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from codec_ssl.data.alignment import Segment
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.data_dir_edits import choose, combine, split, subset
from codec_ssl.data.data_dir_fix import fix
from codec_ssl.errors import DataError


def write(path, speakers: dict[str, int], **kwargs) -> DataDir:
    utt2spk = {f"{spk}-{i:03d}": spk for spk, count in speakers.items() for i in range(count)}
    wav = {utt: f"/audio/{utt}.wav" for utt in utt2spk}
    return DataDir.write(path, wav=wav, utt2spk=utt2spk, **kwargs)


def test_a_subset_takes_every_table_along(tmp_path):
    whole = DataDir.write(
        tmp_path / "whole",
        wav={"r1": "/1.wav", "r2": "/2.wav"},
        utt2spk={"u1": "s", "u2": "s", "u3": "t"},
        text={"u1": "one", "u3": "three"},
        segments={"u1": ("r1", 0, 1), "u2": ("r1", 1, None), "u3": ("r2", 0, 1)},
        labels={"digit": {"u1": "1", "u3": "3"}},
        phones={"u1": [Segment(0, 1, "a")], "u3": [Segment(0, 1, "b")]},
    )
    part = subset(whole, ["u1", "u2"], tmp_path / "part")
    assert part.wav_scp == {"r1": "/1.wav"}
    assert part.segments == {"u1": ("r1", 0.0, 1.0), "u2": ("r1", 1.0, None)}
    assert part.text == {"u1": "one"}
    assert part.labels("digit") == {"u1": "1"}
    assert part.phones == {"u1": [Segment(0, 1, "a")]}
    with pytest.raises(DataError, match="no utterance 'x'"):
        subset(whole, ["x"], tmp_path / "none")
    with pytest.raises(DataError, match="at least one"):
        subset(whole, [], tmp_path / "none")


def test_choices(tmp_path):
    data = write(tmp_path / "d", {"a": 6, "b": 3, "c": 1})
    assert choose(data, 2, "first") == ["a-000", "a-001"]
    assert choose(data, 2, "last") == ["b-002", "c-000"]
    assert choose(data, 5) == data.utt_ids[::2]
    assert choose(data, 2, "per-spk") == ["a-000", "a-003", "b-000", "b-001", "c-000"]
    assert choose(data, 7, "speakers") == data.utt_ids[:9]
    for count in (0, 11):
        with pytest.raises(DataError, match="expected 1 to 10"):
            choose(data, count)


def test_shortest_measures_the_audio(tmp_path):
    wav = {}
    for name, count in (("a", 300), ("b", 100), ("c", 200)):
        wav[name] = str(tmp_path / f"{name}.wav")
        soundfile.write(wav[name], np.zeros(count), 8000)
    data = DataDir.write(tmp_path / "d", wav=wav, utt2spk=dict.fromkeys(wav, "s"))
    assert choose(data, 2, "shortest") == ["b", "c"]


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.data())
def test_a_split_loses_nothing_and_keeps_speakers_whole(tmp_path_factory, sizes, data):
    path = tmp_path_factory.mktemp("s")
    whole = write(path / "d", {f"s{i:02d}": size for i, size in enumerate(sizes)})
    per_utt = data.draw(st.booleans())
    most = sum(sizes) if per_utt else len(sizes)
    num_parts = data.draw(st.integers(1, min(most, 8)))
    parts = split(whole, num_parts, path / "parts", per_utt=per_utt)
    assert [part.path.name for part in parts] == [str(i + 1) for i in range(num_parts)]
    assert sorted(utt for part in parts for utt in part.utt_ids) == whole.utt_ids
    if per_utt:
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
    else:
        counts = Counter(spk for part in parts for spk in set(part.utt2spk.values()))
        assert set(counts.values()) == {1}


def test_a_split_into_more_parts_than_speakers_names_the_way_out(tmp_path):
    with pytest.raises(DataError, match=r"expected 1 to 2 parts.*--per-utt"):
        split(write(tmp_path / "d", {"a": 5, "b": 5}), 3, tmp_path / "p", per_utt=False)


def test_combining_the_parts_gives_the_whole(tmp_path):
    whole = write(tmp_path / "d", {"a": 5, "b": 4}, text={"a-001": "hello"})
    parts = split(whole, 2, tmp_path / "p", per_utt=False)
    again = combine(parts, tmp_path / "again")
    for path in whole.path.iterdir():
        assert (again.path / path.name).read_bytes() == path.read_bytes()


def test_combining_makes_whole_recordings_segments_where_others_are(tmp_path):
    one = write(tmp_path / "a", {"a": 1})
    two = DataDir.write(
        tmp_path / "b", wav={"r": "/r.wav"}, utt2spk={"u": "s"}, segments={"u": ("r", 1, 2)}
    )
    both = combine([one, two], tmp_path / "both")
    assert both.segments == {"a-000": ("a-000", 0.0, None), "u": ("r", 1.0, 2.0)}


def test_combining_refuses_one_utterance_twice_and_names_both_places(tmp_path):
    one, two = write(tmp_path / "one", {"a": 2}), write(tmp_path / "two", {"a": 1})
    with pytest.raises(DataError, match=r"'a-000' is in .*one and in .*two"):
        combine([one, two], tmp_path / "both")


def test_fix_says_what_it_removed_and_why(tmp_path):
    path = tmp_path / "d"
    write(path, {"a": 4}, text={"a-000": "hi"}, phones={"a-000": [Segment(0, 1, "h")]})
    (path / "wav.scp").write_text(
        "a-003 /3.wav\r\na-001 cat x |\na-000 /0.wav\na-002 /2.wav\na-000 /again.wav\n\n"
    )
    (path / "utt2spk").write_text("a-003 a\na-001 a\na-000 a\nz-000 z\n")
    (path / "text").write_text("a-000 hi\na-009 nobody\n")
    report = fix(path)
    assert report.kept == 2
    assert report.removed == {
        "a-001": "wav.scp: a shell pipe, expected the path of an audio file",
        "a-002": "utt2spk: no line for it",
    }
    text = "\n".join(report.lines())
    for expected in ("wav.scp:5: 'a-000' again", "wav.scp:6:", "text: 'a-009'", "utt2spk: 'z-000'"):
        assert expected in text
    assert "2 utterances kept, 2 removed" in text
    fixed = DataDir(path)
    fixed.validate()
    assert fixed.wav_scp == {"a-000": "/0.wav", "a-003": "/3.wav"}
    assert fixed.phones == {"a-000": [Segment(0, 1, "h")]}
    assert "cat x |" in (path / ".backup" / "wav.scp").read_text()


def test_fixing_a_good_data_dir_changes_nothing(tmp_path):
    data = write(tmp_path / "d", {"a": 3}, labels={"digit": {"a-001": "1"}})
    before = {path.name: path.read_bytes() for path in data.path.iterdir()}
    assert fix(data.path).lines() == ["3 utterances kept, 0 removed"]
    after = {path.name: path.read_bytes() for path in data.path.iterdir() if path.is_file()}
    assert after == before


def test_fix_that_would_leave_nothing_explains_and_changes_nothing(tmp_path):
    path = tmp_path / "d"
    write(path, {"a": 3})
    (path / "utt2spk").write_text("a_000 a\na_001 a\n")
    before = (path / "wav.scp").read_bytes()
    expected = r"no utterance would remain.*3 x utt2spk: no line.*'a-000', utt2spk 'a_000'"
    with pytest.raises(DataError, match=expected):
        fix(path)
    assert (path / "wav.scp").read_bytes() == before


def test_fix_can_open_the_audio_and_require_transcripts(tmp_path):
    good, empty = tmp_path / "good.wav", tmp_path / "empty.wav"
    soundfile.write(good, np.zeros(100), 8000)
    empty.touch()
    wav = {"a": str(good), "b": str(empty), "c": str(good)}
    path = tmp_path / "d"
    DataDir.write(path, wav=wav, utt2spk=dict.fromkeys(wav, "s"), text={"a": "x", "b": "x"})
    report = fix(path, require_text=True, check_audio=True)
    assert report.removed["c"] == "text: no line for it"
    assert report.removed["b"].startswith("empty: ")
    assert DataDir(path).utt_ids == ["a"]
