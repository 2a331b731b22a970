"""What the layouts of small corpora are made of: trials, slots, folds, copies, dialogues."""

from pathlib import Path

import numpy as np
import pytest

from codec_ssl.data.alignment import Segment
from codec_ssl.data.audio import read_audio
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.superb.copies import copy_set
from codec_ssl.data.superb.dialogues import make_dialogues
from codec_ssl.data.superb.pairs import draw_trials
from codec_ssl.data.superb.rotation import rotate
from codec_ssl.data.superb.slots import Value, from_tags, marked
from codec_ssl.data.superb.tables import read_rttm
from codec_ssl.data.wav_file import write_wav
from codec_ssl.errors import DataError

SPEAKERS = {f"{speaker}{number}": speaker for speaker in "abc" for number in range(4)}


def test_trials_are_true_balanced_and_never_the_same_pair_twice():
    trials = draw_trials(SPEAKERS, pairs=3)
    assert all(t.target == (SPEAKERS[t.enrol] == SPEAKERS[t.test]) for t in trials)
    assert len({frozenset(trial[1:]) for trial in trials}) == len(trials)
    targets = sum(trial.target for trial in trials)
    assert targets == 3 * 6  # all pairs of four utterances of three speakers
    assert len(trials) - targets >= targets
    assert draw_trials(SPEAKERS, pairs=3) == trials
    assert draw_trials(SPEAKERS, pairs=1, seed=1) != draw_trials(SPEAKERS, pairs=1)


def test_trials_stay_within_a_group():
    groups = {utt: "one" if utt[0] in "ab" else "two" for utt in SPEAKERS}
    assert all(groups[t.enrol] == groups[t.test] for t in draw_trials(SPEAKERS, groups))
    with pytest.raises(DataError, match="two speakers"):
        draw_trials({"a1": "a", "a2": "a"})


def test_slots_are_marked_where_their_tags_begin_and_end():
    words = ["ADD", "A", "B", "C", "D", "TO"]
    tags = ["O", "B-x", "I-x", "B-x", "I-y", "O"]
    values = from_tags(words, tags)
    assert values[1:4] == [Value("x", ["A", "B"]), Value("x", ["C"]), Value("y", ["D"])]
    assert " ".join(marked(values)) == "ADD B-x A B E-x B-x C E-x B-y D E-y TO"
    with pytest.raises(DataError, match="'X-a'"):
        from_tags(["A"], ["X-a"])
    with pytest.raises(DataError, match="1 words, found 2"):
        from_tags(["A"], ["O", "O"])


@pytest.fixture
def spoken(tmp_path: Path) -> DataDir:
    """Each utterance says 1 for 0.2 s after 0.1 s of silence, and is silent again for 0.1 s."""
    wav = {}
    for utt in SPEAKERS:
        samples = np.zeros(6400, np.float32)
        samples[1600:4800] = 0.25
        wav[utt] = str(tmp_path / f"{utt}.wav")
        write_wav(Path(wav[utt]), samples, 16000)
    phones = [Segment(0.0, 0.1, "sil"), Segment(0.1, 0.2, "a"), Segment(0.2, 0.3, "b")]
    return DataDir.write(
        tmp_path / "spoken",
        wav=wav,
        utt2spk=SPEAKERS,
        text={utt: "words" for utt in SPEAKERS},
        labels={"mood": {utt: "xy"[number % 2] for number, utt in enumerate(SPEAKERS)}},
        phones={utt: [*phones, Segment(0.3, 0.4, "sil")] for utt in SPEAKERS},
    )


def test_each_group_is_tested_once_and_a_fifth_of_the_rest_is_for_validation(
    spoken: DataDir, tmp_path: Path
):
    groups = [[utt for utt in SPEAKERS if utt[0] == speaker] for speaker in "abc"]
    made = rotate(spoken, groups, tmp_path / "er", "mood")
    for number, group in enumerate(groups):
        train, valid, test = made[3 * number : 3 * number + 3]
        assert test.path == tmp_path / "er" / f"fold{number + 1}" / "test"
        assert test.utt_ids == group
        assert sorted([*train.utt_ids, *valid.utt_ids, *group]) == spoken.utt_ids
        assert len(valid) in (1, 2) and len(set(train.labels("mood").values())) == 2
    with pytest.raises(DataError, match=r"\[4, 0\]"):
        rotate(spoken, [groups[0], []], tmp_path / "er", "mood")


def test_a_copy_has_what_the_task_asks_for_and_no_other_label(spoken: DataDir, tmp_path: Path):
    made = copy_set(spoken, tmp_path / "copy", labels={"command": {"a0": "go", "zz": "no"}})
    assert made.utt_ids == ["a0"] and made.label_names == ["command", "spk"]
    assert made.text == {"a0": "words"} and made.phones.keys() == {"a0"}
    named = copy_set(spoken, tmp_path / "named", utt_ids=["b1", "b2"], text={"b1": "new"})
    assert named.text == {"b1": "new"} and named.utt_ids == ["b1"]


def test_dialogues_are_the_sum_of_two_speakers_who_speak_when_the_turns_say(
    spoken: DataDir, tmp_path: Path
):
    made = make_dialogues(spoken, spoken.utt_ids, tmp_path / "sd")
    turns = read_rttm(made)
    used = [utt for name in made.utt_ids for utt in name.split("_")]
    assert len(used) == len(set(used)) and len(used) >= 8
    for name in made.utt_ids:
        assert len({turn.label for turn in turns[name]}) == 2
        samples, rate = read_audio(made.source(name))
        expected = np.zeros(len(samples))
        for start, end, _ in turns[name]:
            expected[round(start * rate) : round(end * rate)] += 0.25
        # A turn's place is known to a tenth of a millisecond, a sample or two.
        assert np.mean(np.abs(samples - expected) > 0.01) < 0.002
    again = make_dialogues(spoken, spoken.utt_ids, tmp_path / "again")
    assert again.utt_ids == made.utt_ids and read_rttm(again) == turns
    with pytest.raises(DataError, match="two speakers"):
        make_dialogues(spoken, ["a0", "a1"], tmp_path / "sd")
