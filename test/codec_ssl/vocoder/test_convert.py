"""Targets of voice conversion: others than the speaker, the same for every system."""

from collections import Counter

import pytest

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError
from codec_ssl.vocoder.convert import draw_references, draw_targets, write_references

NAMES = ["ann", "bob", "cat", "dan"]
UTT2SPK = {f"{name}-{number}": name for name in NAMES for number in range(200)}


def test_every_utterance_gets_another_speaker_all_of_them_equally_often():
    targets = draw_targets(UTT2SPK, NAMES)
    assert all(targets[utt] != speaker for utt, speaker in UTT2SPK.items())
    assert min(Counter(targets.values()).values()) > 150
    assert targets != draw_targets(UTT2SPK, NAMES, seed=1)


def test_targets_depend_on_nothing_but_seed_and_utterance():
    few = dict(list(UTT2SPK.items())[::-7])
    targets = draw_targets(UTT2SPK, NAMES, 3)
    assert draw_targets(few, NAMES[::-1], 3) == {utt: targets[utt] for utt in few}


def test_a_stranger_can_be_converted_and_one_alone_cannot():
    assert draw_targets({"eve-0": "eve"}, ["ann"]) == {"eve-0": "ann"}
    with pytest.raises(DataError, match="other than its own, ann"):
        draw_targets({"ann-0": "ann"}, ["ann"])


def test_references_are_utterances_of_the_target():
    targets = draw_targets(UTT2SPK, NAMES)
    references = draw_references(targets, UTT2SPK)
    assert all(UTT2SPK[references[utt]] == target for utt, target in targets.items())
    assert len(set(references.values())) > 300
    with pytest.raises(DataError, match="speaker eve"):
        draw_references({"ann-0": "eve"}, UTT2SPK)


@pytest.mark.parametrize("segments", [None, {"a": ("r", 0.0, 1.0), "b": ("r", 1.0, 2.5)}])
def test_references_are_written_as_a_data_dir_of_the_converted_utterances(tmp_path, segments):
    wav = {"r": "r.wav"} if segments else {"a": "a.wav", "b": "b.wav"}
    speakers = {"a": "ann", "b": "bob"}
    source = DataDir.write(tmp_path / "source", wav=wav, utt2spk=speakers, segments=segments)
    swapped = {"a": "b", "b": "a"}
    made = write_references(tmp_path / "out", source, {"a": "bob", "b": "ann"}, swapped)
    assert made.utt2spk == {"a": "bob", "b": "ann"}
    for utt, reference in swapped.items():
        found, wanted = made.source(utt), source.source(reference)
        assert (found.path, found.start, found.end) == (wanted.path, wanted.start, wanted.end)
