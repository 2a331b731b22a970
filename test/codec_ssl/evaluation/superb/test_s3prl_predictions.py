"""What s3prl predicted gives its own scores again, and intervals from the utterances."""

import random

import numpy as np
import pytest
import torch

from codec_ssl.data.alignment import Segment
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.superb.tables import write_rttm
from codec_ssl.errors import DataError
from codec_ssl.evaluation.superb.measure import ratio

pytest.importorskip("sed_eval", reason="s3prl.problem imports sed_eval, which is not installed")

WORDS = ["low", "c", "high", "hat"]


def sentences(task, count, seed):
    """Transcripts as CTC gives them: some empty, blanks at the ends and several in a row."""
    draw = random.Random(seed)
    found = []
    for _ in range(count):
        words = [draw.choice(WORDS) for _ in range(draw.randint(1, 6))]
        if task == "sf":
            words[1:1] = ["B-pitch", draw.choice(WORDS), "E-pitch"]
        found.append(" ".join(words))
    return found


def write(folder, ref, hyp):
    for name, texts in {"ref": ref, "hyp": hyp}.items():
        lines = [f"utt{number:02d} {text}\n" for number, text in enumerate(texts)]
        (folder / name).write_text("".join(lines))


@pytest.mark.parametrize(
    ("task", "names"),
    [("pr", ["per"]), ("asr", ["wer", "cer"]), ("sf", ["slot_type_f1", "slot_value_cer"])],
)
def test_transcripts_are_counted_as_s3prl_counts_them(task, names, tmp_path):
    import s3prl.metric
    from s3prl.metric import slot_filling

    from codec_ssl.evaluation.superb.s3prl_predictions import intervals_of, transcript_measures

    ref, hyp = sentences(task, 30, 0), sentences(task, 30, 1)
    hyp[3], hyp[4], hyp[5] = "", f" {hyp[4]} ", hyp[5].replace(" ", "  ")
    write(tmp_path, ref, hyp)
    measures = transcript_measures(task, tmp_path)
    assert list(measures) == names
    scores = {}
    for name in names:
        theirs = getattr(slot_filling if task == "sf" else s3prl.metric, name)
        scores[name] = theirs(hyp, ref)
        assert measures[name].value == pytest.approx(scores[name])
        # A draw of the first half alone is that half's own score.
        half = np.array([[1.0] * 15 + [0.0] * 15])
        assert measures[name].statistic(half)[0] == pytest.approx(theirs(hyp[:15], ref[:15]))
    for name, (low, high) in intervals_of(scores, measures).items():
        assert low < scores[name] < high


def test_tasks_without_transcripts_have_no_measures(tmp_path):
    from codec_ssl.evaluation.superb.s3prl_predictions import transcript_measures

    assert transcript_measures("ks", tmp_path) == {}
    with pytest.raises(DataError, match="ref: expected transcripts, found no such file"):
        transcript_measures("pr", tmp_path)
    write(tmp_path, ["a", "b"], ["a"])
    with pytest.raises(DataError, match="expected ref and hyp of the same utterances"):
        transcript_measures("pr", tmp_path)


def test_predictions_that_give_another_score_give_no_interval(caplog):
    from codec_ssl.evaluation.superb.s3prl_predictions import intervals_of

    measures = {"wer": ratio([1, 0], [2, 2])}
    assert intervals_of({"wer": 0.25}, measures).keys() == {"wer"}
    assert intervals_of({"wer": 0.3}, measures) == {}
    assert "wer: s3prl says 0.3, its predictions 0.25: no interval" in caplog.text


def test_diarization_is_scored_by_its_segments(tmp_path):
    from codec_ssl.evaluation.superb.s3prl_predictions import diarization_measures

    utts = ["low-00", "high-01"]
    data_dir = DataDir.write(
        tmp_path / "test",
        wav={utt: f"/nowhere/{utt}.wav" for utt in utts},
        utt2spk={utt: utt[:-3] for utt in utts},
    )
    turns = [Segment(0.0, 0.2, "ann"), Segment(0.1, 0.35, "bob")]
    write_rttm(data_dir, dict.fromkeys(utts, turns))
    folder = tmp_path / "exp" / "evaluate" / "valid_best" / "test" / "prediction"
    folder.mkdir(parents=True)
    rows = ["record_id,duration"]
    for utt in utts:  # ann to 0.2 s, bob from 0.1 s to 0.25 s, where it should be 0.35
        active = torch.zeros(40, 2)
        active[:10, 0] = active[5:13, 1] = active[30:] = 1.0
        torch.save(active, folder / f"{utt}.pt")
        rows.append(f"{utt},0.5")
    (tmp_path / "exp" / "test.csv").write_text("\n".join(rows) + "\n")
    measures = diarization_measures(data_dir, tmp_path / "exp", 50.0)
    assert measures["der_plain"].value == pytest.approx(0.09 / 0.45)
    assert measures["der_plain"].interval() == pytest.approx((0.2, 0.2))
