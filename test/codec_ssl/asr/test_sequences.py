"""Speech and text in one sequence, against lists put together by hand."""

import numpy as np
import pytest
import torch

from codec_ssl.asr.sequences import SpeechTextLayout, check_units
from codec_ssl.asr.text import END
from codec_ssl.errors import TokenError

FRAMES, PIECES, START = [3, 1, 4], [2, 0, 1], 99
TEXT = torch.tensor([7, 8, 9])


@pytest.fixture
def layout():
    return SpeechTextLayout.from_lengths(torch.tensor(FRAMES), torch.tensor(PIECES))


def test_joined_sequences_are_speech_then_text(layout):
    speech = torch.arange(8.0).unsqueeze(1)
    text = 100 + torch.arange(6.0).unsqueeze(1)
    wanted = [0, 1, 2, 100, 101, 102, 3, 103, 4, 5, 6, 7, 104, 105]
    joined = layout.join(speech, text)
    assert joined.flatten().tolist() == wanted
    assert layout.whole.lengths == (6, 2, 6)
    assert joined[layout.speech_rows].equal(speech) and joined[layout.text_rows].equal(text)


def test_text_is_read_from_transcribe_on_and_predicted_to_the_end(layout):
    assert layout.text_inputs(TEXT, START).tolist() == [START, 7, 8, START, START, 9]
    assert layout.text_targets(TEXT).tolist() == [7, 8, END, END, 9, END]


def test_frames_predict_the_next_frame_and_the_last_one_transcribe(layout):
    codes = torch.tensor([[n, 10 + n] for n in range(8)])
    targets, counted = layout.speech_targets(codes, end=50)
    assert targets[:, 0].tolist() == [1, 2, 50, 50, 5, 6, 7, 50]
    assert targets[counted[:, 1] == 1, 1].tolist() == [11, 12, 15, 16, 17]
    assert counted.tolist() == [[1, 1], [1, 1], [1, 0], [1, 0], [1, 1], [1, 1], [1, 1], [1, 0]]


def test_good_units_pass():
    check_units("u", np.array([[0, 4], [6, 0]]), [7, 5])


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([[0, 5]], r"utterance u: expected units in 0 ... K - 1 for K = \[7, 5\], found \[0, 5\]"),
        ([[-1, 0]], r"found \[-1, 0\] to \[-1, 0\] \(mend: rerun stage 'tokens'\)"),
        ([[1], [2]], r"expected units \(T, 2\), found shape \(2, 1\)"),
        (np.empty((0, 2), int), r"found shape \(0, 2\)"),
        ([1, 2], r"found shape \(2,\)"),
    ],
)
def test_units_that_no_table_holds_are_named(codes, message):
    with pytest.raises(TokenError, match=message):
        check_units("u", np.array(codes), [7, 5])
