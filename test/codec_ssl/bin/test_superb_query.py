"""The command that scores query by example, on codes with words planted in documents."""

import sys

import numpy as np
import toy_sequences

from codec_ssl.bin import superb_query
from codec_ssl.report.results import read_results
from codec_ssl.report.superb import table


def run(monkeypatch, root, *options):
    command = ["superb_query", "--encoder", "codec", "--datadir", f"{root}/data", "--codes"]
    command += [f"{root}/codes", "--out", f"{root}/scores", "--system", "toy", *options]
    monkeypatch.setattr(sys, "argv", command)
    superb_query.main()
    return read_results(root / "scores" / "qbe" / "results.json").results


def test_planted_words_are_found(tmp_path, monkeypatch, capsys):
    toy_sequences.make_queries(tmp_path)
    (result,) = run(monkeypatch, tmp_path, "--num_resamples", "20")
    assert result.metric == "superb_qbe_mtwv"
    assert result.value > 0.9
    assert result.interval[0] <= result.value <= result.interval[1]
    told = result.scored
    assert (told["layer"], told["num_test"], told["num_documents"]) == (0, 3, 12)
    assert told["valid_scores"] == {"0": told["valid_score"]}
    assert "toy qbe superb_qbe_mtwv" in capsys.readouterr().out
    assert table([result])[1][1].endswith(" (layer 0)")
    kept = np.load(tmp_path / "scores" / "qbe" / "scores.npz")
    assert kept["scores"].shape == (3, 12)
    # The two documents of each query stand out.
    best = np.sort(kept["scores"].argsort(1)[:, -2:], axis=1)
    columns = kept["docs"].tolist()
    expected = [sorted(columns.index(f"d{n}") for n in (q, q + 6)) for q in (3, 4, 5)]
    assert best.tolist() == expected


def test_embeddings_that_would_be_learnt_are_compared_as_they_begin(tmp_path, monkeypatch):
    toy_sequences.make_queries(tmp_path)
    scores = []
    for encoder in ("codec", "codes"):
        (result,) = run(monkeypatch, tmp_path, "--num_resamples", "20", "--encoder", encoder)
        scores.append(np.load(tmp_path / "scores" / "qbe" / "scores.npz")["scores"])
    assert result.scored["encoder"].startswith("embeddings of ")
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-5)
