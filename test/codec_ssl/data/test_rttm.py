"""RTTM files come back as they were written, and broken ones are named."""

import pytest

from codec_ssl.data.alignment import Segment
from codec_ssl.data.rttm import read_rttm, write_rttm
from codec_ssl.errors import DataError


def test_segments_come_back(tmp_path):
    files = {
        "b": [Segment(0.0, 1.5, "anna"), Segment(1.0, 2.25, "ben")],
        "a": [Segment(0.1, 0.3, "ben")],
    }
    write_rttm(tmp_path / "rttm", files)
    assert read_rttm(tmp_path / "rttm") == files
    first = (tmp_path / "rttm").read_text().split("\n")[0]
    assert first == "SPEAKER a 1 0.1000 0.2000 <NA> <NA> ben <NA>"


def test_lines_of_other_kinds_and_the_tenth_field_are_passed_over(tmp_path):
    (tmp_path / "rttm").write_text(
        "SPKR-INFO a 1 <NA> <NA> <NA> unknown ben <NA> <NA>\n"
        "SPEAKER a 1    2.00    1.00 <NA> <NA> ben <NA> <NA>\n"
        "SPEAKER a 1    0.50    1.00 <NA> <NA> ann <NA> <NA>\n"
    )
    assert read_rttm(tmp_path / "rttm") == {"a": [Segment(0.5, 1.5, "ann"), Segment(2, 3, "ben")]}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("SPEAKER a 1 0.5 1.0", "expected 'SPEAKER file"),
        ("SPEAKER a 1 x 1.0 <NA> <NA> ben <NA>", "expected seconds"),
        ("SPEAKER a 1 0.5 0.0 <NA> <NA> ben <NA>", "duration over 0"),
        ("SPEAKER a 1 -1 1.0 <NA> <NA> ben <NA>", "start from 0"),
    ],
)
def test_a_broken_line_is_named(tmp_path, line, told):
    (tmp_path / "rttm").write_text(f"SPEAKER a 1 0 1 <NA> <NA> ben <NA>\n{line}\n")
    with pytest.raises(DataError, match=f"rttm:2: .*{told}"):
        read_rttm(tmp_path / "rttm")


def test_names_with_blanks_are_refused(tmp_path):
    with pytest.raises(DataError, match="without blanks"):
        write_rttm(tmp_path / "rttm", {"a": [Segment(0, 1, "an na")]})
