import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_ssl.data.alignment import Segment, frame_labels, read_ctm, read_textgrid, write_ctm
from codec_ssl.errors import DataError

LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 2.5
tiers? <exists>
size = 3
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 2.5
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 2.5
            text = "say ""hi"" 2 me"
    item [2]:
        class = "TextTier"
        name = "clicks"
        xmin = 0
        xmax = 2.5
        points: size = 1
        points [1]:
            number = 1.5
            mark = "click 7"
    item [3]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0
        xmax = 2.5
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = ""
        intervals [2]:
            xmin = 0.5
            xmax = 1.25e0
            text = "ʃ"
        intervals [3]:
            xmin = 1.25
            xmax = 2.5
            text = "AH0"
"""
SHORT = """File type = "ooTextFile"
"TextGrid"

0
2.5
<exists>
3
"IntervalTier"
"words"
0
2.5
1
0
2.5
"say ""hi"" 2 me"
"TextTier"
"clicks"
0
2.5
1
1.5
"click 7"
"IntervalTier"
"phones"
0
2.5
3
0
0.5
""
0.5
1.25
"ʃ"
1.25
2.5
"AH0"
"""
PHONES = [Segment(0.0, 0.5, ""), Segment(0.5, 1.25, "ʃ"), Segment(1.25, 2.5, "AH0")]


@pytest.mark.parametrize("text", [LONG, SHORT])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_textgrids_long_and_short_say_the_same(tmp_path, text, encoding):
    path = tmp_path / "a.TextGrid"
    path.write_text(text, encoding=encoding)
    assert read_textgrid(path, "phones") == PHONES
    assert read_textgrid(path, "words") == [Segment(0.0, 2.5, 'say "hi" 2 me')]
    with pytest.raises(DataError, match=r"tier 'phone', found \['phones', 'words'\]"):
        read_textgrid(path, "phone")


@pytest.mark.parametrize("text", ["", "hello", LONG[:600], SHORT.replace("0.5\n", "x\n")])
def test_a_damaged_textgrid_is_named(tmp_path, text):
    path = tmp_path / "a.TextGrid"
    path.write_text(text)
    with pytest.raises(DataError, match=r"a\.TextGrid"):
        read_textgrid(path, "phones")


def test_ctm_round_trip_keeps_neighbours_apart(tmp_path):
    edges = np.cumsum(np.random.default_rng(0).uniform(0.001, 0.3, 200)).tolist()
    segments = [Segment(a, b, f"p{i}") for i, (a, b) in enumerate(pairwise(edges))]
    write_ctm(tmp_path / "x.ctm", {"b": segments, "a": segments[:1]})
    assert (tmp_path / "x.ctm").read_text().startswith("a 1 ")
    read = read_ctm(tmp_path / "x.ctm")
    assert [segment.label for segment in read["b"]] == [segment.label for segment in segments]
    for got, expected in zip(read["b"], segments, strict=True):
        assert got.start == pytest.approx(expected.start, abs=6e-5)
        assert got.end == pytest.approx(expected.end, abs=6e-5)
    assert all(left.end <= right.start for left, right in pairwise(read["b"]))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("u 1 0.0 0.1", "x.ctm:1: expected 'utt channel"),
        ("u 1 zero 0.1 a", "x.ctm:1: expected a time"),
        ("u 1 -1 0.1 a", "x.ctm:1: expected a time"),
        ("u 1 nan 0.1 a", "x.ctm:1: expected a time"),
        ("u 1 0 0.5 a\nu 1 0.4 0.5 b", "utterance u: .* overlaps"),
    ],
)
def test_a_malformed_ctm_is_named(tmp_path, line, message):
    (tmp_path / "x.ctm").write_text(line + "\n")
    with pytest.raises(DataError, match=message):
        read_ctm(tmp_path / "x.ctm")


@given(
    st.lists(st.floats(0.005, 0.4), min_size=1, max_size=12),
    st.sets(st.integers(0, 11)),
    st.sampled_from([12.5, 50.0, 75.0, 100.0]),
    st.integers(0, 120),
)
def test_frame_labels_equal_a_search_for_each_frame(lengths, gaps, frame_rate, num_frames):
    edges = [0.1, *np.cumsum(lengths) + 0.1]
    segments = [
        Segment(start, end, str(index))
        for index, (start, end) in enumerate(pairwise(edges))
        if index not in gaps
    ]
    expected = []
    for frame in range(num_frames):
        centre = (frame + 0.5) / frame_rate
        hits = [label for start, end, label in segments if start <= centre < end]
        expected.append(hits[0] if hits else "")
    assert frame_labels(segments[::-1], num_frames, frame_rate) == expected


def test_a_frame_takes_the_label_at_its_centre():
    segments = [Segment(0.0, 0.03, "a"), Segment(0.03, 0.08, "b")]
    assert frame_labels(segments, 5, 50.0) == ["a", "b", "b", "b", ""]
    assert math.isclose((1 + 0.5) / 50.0, 0.03)
