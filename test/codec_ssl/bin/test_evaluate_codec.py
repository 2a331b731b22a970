"""From two data dirs to tables and results, and from results to counts, by the command lines."""

import json

import pytest
import soundfile
from voice import RATE, noisy, voice

from codec_ssl.bin import best_worst, evaluate_codec
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import ConfigError, DataError
from codec_ssl.evaluation.scores import read_table
from codec_ssl.report.results import read_results

METRICS = "si_sdr stoi, stft_distance utmos"


def write_dir(folder, wavs):
    folder.mkdir(parents=True)
    for utt, wav in wavs.items():
        soundfile.write(folder / f"{utt}.wav", wav, RATE, subtype="FLOAT")
    paths = {utt: str(folder / f"{utt}.wav") for utt in wavs}
    DataDir.write(folder, wav=paths, utt2spk=dict.fromkeys(wavs, "s"))
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory, call):
    """Two codecs with known noise on two sets."""
    root = tmp_path_factory.mktemp("all scores")
    for name in ("dev-one", "other"):
        wavs = {f"u{n}": voice(1.0, n) for n in range(3)}
        write_dir(root / "data" / name, wavs)
        for codec, snr in {"good": 20, "bad": 5}.items():
            copies = {utt: noisy(wav, snr + n) for n, (utt, wav) in enumerate(wavs.items())}
            write_dir(root / "decoded" / codec / name, copies)
            call(evaluate_codec, *options(root, codec, name))
    return root


def options(root, codec, name):
    decoded = root / "decoded" / codec / name
    return [
        *("--reference", root / "data" / name, "--decoded", decoded, "--metrics", METRICS),
        *("--codec", codec, "--recipe", "egs2/toy/codec1", "--config", "conf/train.yaml"),
        *("--exp", f"exp/{codec}", "--num_codebooks", 8, "--out", root / "scores" / codec / name),
    ]


def test_scores_means_tables_and_reasons_are_written(root, capsys):
    out = root / "scores/good/dev-one"
    file = read_results(out / "results.json")
    values = {result.metric: result for result in file.results}
    assert values.keys() == {"si_sdr", "stoi", "stft_distance"}
    scored = values["si_sdr"].scored
    assert (scored["set"], scored["codec"], scored["num_codebooks"]) == ("dev_one", "good", 8)
    assert scored["recipe"] == "egs2/toy/codec1" and scored["exp"] == "exp/good"
    assert scored["utterances"] == 3 and scored["maker"].startswith("ci_sdr ")
    assert values["si_sdr"].value == pytest.approx(21, abs=1e-3)
    low, high = values["si_sdr"].interval
    assert 20 <= low < 21 < high <= 22.001
    [note] = file.notes
    assert note.startswith("utmos: not scored: needs weights: --utmos names")
    rows = read_table(out / "utterances.tsv")
    assert rows["u2"]["si_sdr"] == pytest.approx(22, abs=1e-3) and "utmos" not in rows["u2"]
    text, markdown = ((out / f"scores.{ending}").read_text() for ending in ("txt", "md"))
    assert "UTMOS ↑" in text and "–" in text and note in text and note in markdown
    assert "good on dev_one" in text and (out / "bad_audio.tsv").is_file()


def test_a_second_call_scores_nothing_again(root, call, monkeypatch, capsys):
    out = root / "scores/good/dev-one"
    before = (out / "utterances.tsv").read_text()
    monkeypatch.setattr("codec_ssl.evaluation.workers.Worker.score", None)
    call(evaluate_codec, *options(root, "good", "dev-one"))
    assert (out / "utterances.tsv").read_text() == before
    assert "SI-SDR, dB ↑" in capsys.readouterr().out


def test_wrong_options_and_too_much_bad_audio_are_errors(root, call, tmp_path):
    dirs = ["--reference", root / "data/other", "--decoded", tmp_path / "dec", "--out", tmp_path]
    write_dir(tmp_path / "dec", {f"u{n}": voice(1.0, n) for n in range(3)})
    with pytest.raises(ConfigError, match="found bleu"):
        call(evaluate_codec, *dirs, "--metrics", "bleu")
    (tmp_path / "dec/u1.wav").write_bytes(b"no audio at all")
    with pytest.raises(DataError, match=r"bad audio: 1 of 3 utterances \(1 unreadable\)"):
        call(evaluate_codec, *dirs, "--metrics", "si_sdr")
    assert "u1\t" in (tmp_path / "bad_audio.tsv").read_text()
    call(evaluate_codec, *dirs, "--metrics", "si_sdr", "--max_bad_rate", 0.5)
    assert read_results(tmp_path / "results.json").results[0].scored["not_scored"] == 1


def test_codecs_are_compared_over_all_sets(root, call, capsys, tmp_path):
    capsys.readouterr()
    chosen = ["--groups", "both=dev_one,other", "--systems", "good", "bad"]
    call(best_worst, root / "scores", *chosen, "--out", tmp_path / "counts")
    shown = capsys.readouterr().out
    lines = [line.split() for line in shown.splitlines()]
    assert ["both", "6", "/", "0", "0", "/", "6"] in lines
    assert shown.count("utmos: not scored") == 1
    assert (tmp_path / "counts/best_worst.txt").read_text() == shown
    found = json.loads((tmp_path / "counts/results.json").read_text())["results"]
    assert {r["metric"] for r in found} == {"best_count", "worst_count"}
    one = root / "scores/good/dev-one/results.json"
    call(best_worst, one, root / "scores/bad/dev-one/results.json", "--metrics", "stoi")
    assert "1 / 0" in capsys.readouterr().out
    chosen = ["--systems", "good", "bad", "--metrics", "stoi si_sdr", "--format", "markdown"]
    call(best_worst, root / "scores", *chosen, "--set_metrics", "other=stoi")
    lines = capsys.readouterr().out.splitlines()
    assert "| dev_one | 2 / 0 | 0 / 2 |" in lines and "| other | 1 / 0 | 0 / 1 |" in lines
    for option in ("--groups", "--set_metrics"):
        with pytest.raises(ConfigError, match=f"{option}: expected NAME=ITEM,ITEM"):
            call(best_worst, root / "scores", option, "both")
