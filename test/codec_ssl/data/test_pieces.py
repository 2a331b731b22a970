from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from codec_ssl.data.pieces import even_pieces


@given(st.floats(0.01, 1e5), st.floats(0.5, 600))
def test_pieces_cover_the_recording_and_none_is_longer_than_asked_for(duration, longest):
    pieces = even_pieces(duration, longest)
    assert pieces[0][0] == 0.0 and abs(pieces[-1][1] - duration) <= 1e-9 * duration
    assert all(end == begin for (_, end), (begin, _) in pairwise(pieces))
    assert max(end - begin for begin, end in pieces) <= longest * (1 + 1e-9)
    assert len(pieces) == 1 or duration > longest * (len(pieces) - 1)
