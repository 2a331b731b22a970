"""Utterances are scored once, in any number of processes, and a killed run goes on."""

import os

import numpy as np
import pytest
import soundfile
from voice import RATE, noisy, voice

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import CheckpointError, ConfigError, DataError
from codec_ssl.evaluation import workers
from codec_ssl.evaluation.codec_run import pair_up, score_utterances
from codec_ssl.evaluation.codec_summary import notes_of, results_of, summarize, table
from codec_ssl.evaluation.pair import Alignment
from codec_ssl.evaluation.scorer_options import ScorerOptions
from codec_ssl.evaluation.scores import Record, Score, read_table, write_table
from codec_ssl.evaluation.workers import RunOptions

FAST = ("ci_sdr", "si_sdr", "stoi", "stft_distance")
SNR = {"a": 5, "b": 10, "c": 20}


def write_dir(folder, wavs, rate=RATE, text=None):
    folder.mkdir(parents=True, exist_ok=True)
    for utt, wav in wavs.items():
        soundfile.write(folder / f"{utt}.wav", wav, rate, subtype="FLOAT")
    paths = {utt: str(folder / f"{utt}.wav") for utt in wavs}
    return DataDir.write(folder, wav=paths, utt2spk=dict.fromkeys(wavs, "s"), text=text)


@pytest.fixture
def dirs(tmp_path):
    """Originals, and copies with known noise."""
    wavs = {utt: voice(1.0, seed) for seed, utt in enumerate(SNR)}
    reference = write_dir(tmp_path / "a test set", wavs, text=dict.fromkeys(wavs, "one two"))
    decoded = write_dir(tmp_path / "out", {u: noisy(wav, SNR[u]) for u, wav in wavs.items()})
    return reference, decoded


def options(metrics=FAST, nj=1, **more):
    return RunOptions(ScorerOptions(metrics, **more), nj=nj)


def found(outcome, metric="si_sdr"):
    return {r.utt_id: r.scores[metric].value for r in outcome.records if metric in r.scores}


def test_every_utterance_gets_its_own_score(dirs, tmp_path):
    outcome = score_utterances(pair_up(*dirs), options(), tmp_path / "scores.jsonl")
    assert found(outcome) == pytest.approx(SNR, abs=1e-3)
    assert not outcome.missing and outcome.makers["stoi"].startswith("pystoi ")
    assert [record.seconds for record in outcome.records] == [1.0] * 3


@pytest.mark.slow
def test_processes_do_not_change_the_scores(dirs, tmp_path):
    alone = score_utterances(pair_up(*dirs), options(), tmp_path / "one")
    shared = score_utterances(pair_up(*dirs), options(nj=2), tmp_path / "two")
    assert alone == shared
    with pytest.raises(CheckpointError, match="nowhere"):  # not lost with a process
        score_utterances(pair_up(*dirs), options(("utmos",), nj=2, utmos="nowhere"), tmp_path / "x")


def test_a_killed_run_goes_on_behind_what_is_kept(dirs, tmp_path, monkeypatch):
    journal, jobs = tmp_path / "scores.jsonl", pair_up(*dirs)
    whole = score_utterances(jobs, options(), tmp_path / "other")
    score_utterances(jobs[:2], options(), journal)
    with journal.open("a") as file:  # killed in the middle of a line
        file.write('{"utt_id": "c", "aud')
    scored = []
    plain = workers.Worker.score
    monkeypatch.setattr(
        workers.Worker, "score", lambda self, job: scored.append(job.utt_id) or plain(self, job)
    )
    assert score_utterances(jobs, options(), journal) == whole
    assert scored == ["c"]
    assert score_utterances(jobs, options(), journal) == whole
    assert scored == ["c"]


def test_what_has_changed_is_scored_anew(dirs, tmp_path):
    journal, jobs = tmp_path / "scores.jsonl", pair_up(*dirs)
    score_utterances(jobs, options(), journal)
    reference, decoded = dirs
    path = decoded.wav_scp["b"]
    clean, _ = soundfile.read(reference.wav_scp["b"], dtype="float32")
    soundfile.write(path, noisy(clean, 30), RATE, subtype="FLOAT")
    os.utime(path, ns=(1, 1))
    assert found(score_utterances(jobs, options(), journal))["b"] == pytest.approx(30, abs=1e-3)
    shifted = RunOptions(ScorerOptions(FAST), Alignment(0.01, "rms"))
    again = score_utterances(jobs, shifted, journal)
    assert {record.gain for record in again.records} != {1.0}


def test_delays_rates_and_levels_are_taken_away(tmp_path):
    wav = voice(1.0)
    reference = write_dir(tmp_path / "ref", {"u": wav})
    late = np.pad(0.3 * noisy(wav, 25), (90, 0))[: len(wav)]
    decoded = write_dir(tmp_path / "dec", {"u": late})
    outcome = score_utterances(
        pair_up(reference, decoded),
        RunOptions(ScorerOptions(("si_sdr", "stft_distance")), Alignment(0.02, "least_squares")),
        tmp_path / "journal",
    )
    [record] = outcome.records
    assert record.delay == 90 and record.gain == pytest.approx(1 / 0.3, rel=0.01)
    assert record.scores["si_sdr"].value == pytest.approx(25, abs=0.3)
    halved = write_dir(tmp_path / "8k", {"u": wav[::2]}, rate=8000)
    outcome = score_utterances(
        pair_up(reference, halved), RunOptions(ScorerOptions(("stoi",))), tmp_path / "other"
    )
    assert outcome.records[0].scores["stoi"].value > 0.9  # compared at 8 kHz, the lower rate


def test_bad_audio_and_what_cannot_be_scored_have_reasons(dirs, tmp_path):
    decoded = dirs[1]
    open(decoded.wav_scp["a"], "wb").close()
    soundfile.write(decoded.wav_scp["b"], np.zeros(RATE), RATE)
    outcome = score_utterances(pair_up(*dirs), options(), tmp_path / "journal")
    a, b, c = outcome.records
    assert a.bad[1] == "empty" and not a.scores
    assert set(b.reasons.values()) == {"decoded signal is silent"} and not b.scores
    assert not c.reasons and set(c.scores) == set(FAST)
    means = summarize(outcome, FAST)
    assert means["si_sdr"].utterances == 1 and means["si_sdr"].interval is None
    notes = notes_of(means, outcome, FAST)
    reasons = "bad audio: empty (1: a); decoded signal is silent (1: b)"
    assert f"si_sdr: 2 of 3 utterances not scored: {reasons}" in notes
    write_table(tmp_path / "t.tsv", outcome.records, FAST)
    assert "si_sdr: bad audio: empty" in (tmp_path / "t.tsv").read_text().splitlines()[1]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Alignment(-0.1),
        lambda: Alignment(float("nan")),
        lambda: Alignment(0.0, "loud"),
        lambda: RunOptions(ScorerOptions(FAST), sample_rate=0),
        lambda: RunOptions(ScorerOptions(FAST), nj=0),
    ],
)
def test_impossible_options_are_refused(wrong):
    with pytest.raises(ConfigError, match=r"expected .* found"):
        wrong()


def test_utterances_that_are_missing_are_named(dirs, tmp_path):
    reference, _ = dirs
    some = write_dir(tmp_path / "some", {"a": voice(1.0)})
    with pytest.raises(DataError, match=r"no audio of 2 utterances.*b, c; --ignore_missing"):
        pair_up(reference, some)
    assert [job.utt_id for job in pair_up(reference, some, ignore_missing=True)] == ["a"]
    other = write_dir(tmp_path / "other", {"z": voice(1.0)})
    with pytest.raises(DataError, match="no audio of 3 utterances"):
        pair_up(reference, other, ignore_missing=True)


def record(utt, **scores):
    return Record(utt, [], {metric: Score(*score) for metric, score in scores.items()})


def test_means_are_over_utterances_and_word_errors_over_words():
    records = [record("a", mcd=(4,), wer=(1, 2)), record("b", mcd=(6,), wer=(0, 8))]
    outcome = workers_outcome(records)
    means = summarize(outcome, ["mcd", "wer", "pesq"])
    assert means["mcd"].value == 5 and means["wer"].value == 0.1 and "pesq" not in means
    low, high = means["mcd"].interval
    assert (low, high) == (4, 6)
    [mcd, wer] = results_of(means, outcome, {"codec": "x"})
    assert (mcd.unit, wer.unit) == ("dB", "fraction") and mcd.scored["utterances"] == 2
    shown = table(means, ["mcd", "wer", "pesq"], "text", notes=["pesq: not scored: why"])
    assert "5.00" in shown and "10.00" in shown and "–" in shown and "* pesq: not scored" in shown


def workers_outcome(records):
    from codec_ssl.evaluation.codec_run import Outcome

    return Outcome(records, {"mcd": "a", "wer": "b"}, {"pesq": "why"})


def test_the_table_of_utterances_is_read_back(tmp_path):
    one = Record("a", [], {"mcd": Score(4.5), "wer": Score(1, 3)}, {"pesq": "too\tshort"}, 1.5)
    write_table(tmp_path / "t.tsv", [one, record("b", pesq=(2.5,))], ["mcd", "pesq", "wer"])
    assert read_table(tmp_path / "t.tsv") == {
        "a": {"mcd": 4.5, "wer": pytest.approx(1 / 3, abs=1e-6), "wer_errors": 1, "wer_words": 3},
        "b": {"pesq": 2.5},
    }
    assert "pesq: too short" in (tmp_path / "t.tsv").read_text().splitlines()[1]
    (tmp_path / "t.tsv").write_text("nonsense\n")
    with pytest.raises(DataError, match="expected a table of scores"):
        read_table(tmp_path / "t.tsv")
