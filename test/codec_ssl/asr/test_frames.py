"""Which frames training reads; reading them all is compared in test_decoder_only."""

import pytest
import torch

from codec_ssl.asr.frames import FrameStack


def numbered(lengths):
    """Frames that tell their utterance and their place."""
    rows = [(utt, place) for utt, count in enumerate(lengths) for place in range(count)]
    return torch.tensor(rows), torch.tensor(lengths)


def test_training_begins_at_any_of_the_first_frames_and_goes_on_without_a_gap():
    frames, lengths = numbered([10] * 400 + [1, 2])
    places, counts = FrameStack(4)(frames, lengths, training=True)
    begins = []
    for utt, found in enumerate(places.split(counts.tolist())):
        owner, place = found.view(-1, 2).t()
        assert (owner == utt).all()
        end = int(lengths[utt])
        begins.append(int(place[0]))
        wanted = [min(begins[-1] + n, end - 1) for n in range(4 * -(-(end - begins[-1]) // 4))]
        assert place.tolist() == wanted
    shares = torch.bincount(torch.tensor(begins[:400]), minlength=4) / 400
    assert shares == pytest.approx([0.25] * 4, abs=0.07)
    assert begins[400] == 0 and begins[401] in (0, 1)


def test_jitter_leaves_out_and_doubles_its_share_of_the_frames():
    frames, lengths = numbered([5000, 3000])
    found, counts = FrameStack(jitter=0.2)(frames, lengths, training=True)
    for utt, rows in enumerate(found.split(counts.tolist())):
        owner, place = rows.t()
        assert (owner == utt).all() and (place.diff() >= 0).all()
        times = torch.bincount(torch.bincount(place, minlength=int(lengths[utt])))
        assert (times / lengths[utt]) == pytest.approx([0.1, 0.8, 0.1], abs=0.02)


def test_something_is_left_of_every_utterance():
    torch.manual_seed(0)
    frames, lengths = numbered([1] * 300)
    found, counts = FrameStack(2, jitter=0.99)(frames, lengths, training=True)
    assert (counts == 1).all()
    assert found[:, 0].tolist() == list(range(300)) == found[:, 2].tolist()


def test_outside_training_every_frame_is_read_once():
    frames, lengths = numbered([4, 5])
    found, counts = FrameStack(1, jitter=0.5)(frames, lengths, training=False)
    assert torch.equal(found, frames) and torch.equal(counts, lengths)
