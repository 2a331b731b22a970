import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec_ssl.data.tables import read_table, write_atomic, write_table
from codec_ssl.errors import DataError


def test_keeps_the_order_of_the_file_and_blanks_inside_values(tmp_path):
    path = tmp_path / "wav.scp"
    path.write_text("b  /data/a  file.wav\na\t/x.wav \nc /non\u00a0break.wav\n", encoding="utf-8")
    table = read_table(path)
    assert list(table) == ["b", "a", "c"]
    assert table["b"] == "/data/a  file.wav"
    assert table["a"] == "/x.wav"
    assert table["c"] == "/non\u00a0break.wav"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a 1\na 2\n", r":2: expected each key once, found 'a'"),
        (b"a 1\n\nb 2\n", r":2: .* empty line"),
        (b"a 1\n b 2\n", r":2: expected 'key value'"),
        (b"a 1\nb\n", r":2: expected a value after 'b'"),
        (b"a 1\r\n", r":1: .*Windows"),
        (b"a \xff\n", r":1: expected UTF-8"),
    ],
)
def test_a_malformed_line_is_named(tmp_path, content, message):
    path = tmp_path / "t"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_table(path)


def test_a_missing_table_names_the_file_and_the_stage(tmp_path):
    with pytest.raises(DataError, match=r"utt2spk: .*rerun stage 'data'"):
        read_table(tmp_path / "utt2spk")


def test_an_empty_transcript_is_allowed_where_asked_for(tmp_path):
    write_table(tmp_path / "text", {"a": "", "b": "hello"})
    assert read_table(tmp_path / "text", allow_empty=True) == {"a": "", "b": "hello"}


def test_written_in_byte_order_as_the_c_locale_sorts(tmp_path):
    keys = ["a", "B", "é", "-", "a-1", "a1", "音", "𝄞"]
    write_table(tmp_path / "t", dict.fromkeys(keys, "x"))
    assert list(read_table(tmp_path / "t")) == sorted(keys, key=str.encode)


@pytest.mark.parametrize("table", [{"a b": "x"}, {"": "x"}, {"a": "x\ny"}])
def test_what_would_break_a_line_is_refused(tmp_path, table):
    with pytest.raises(DataError):
        write_table(tmp_path / "t", table)
    assert not (tmp_path / "t").exists()


_KEYS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)
_VALUES = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(_KEYS, _VALUES.map(lambda text: f"x{text}x")))
def test_what_is_written_is_read(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("t") / "t"
    write_table(path, table)
    assert read_table(path) == table


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "t"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_atomic(path, "new\ud800")
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["t"]
