"""From transcripts to scores by the command lines that a recipe calls."""

import json
import math
from collections import Counter

import pytest
import torch
import toy_asr

from codec_ssl.asr.recognizer import load_experiment
from codec_ssl.asr.text import END, Pieces
from codec_ssl.asr.unigram import unigram_losses
from codec_ssl.bin import (
    asr_perplexity,
    decode_asr,
    decoder_only_asr_train,
    score_asr,
    train_sentencepiece,
)
from codec_ssl.data.tables import read_table, write_table
from codec_ssl.errors import ConfigError, DataError
from codec_ssl.report.results import read_results
from codec_ssl.tokens.store import TokenStore

pytestmark = [pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, call):
    """A folder with data, pieces, a model that has learnt a little, and hypotheses."""
    root = tmp_path_factory.mktemp("commands")
    for seed, (name, count) in enumerate({"train": 150, "valid": 8, "test-one": 12}.items()):
        toy_asr.make_set(root, name, count, seed, language="en" if name == "test-one" else None)
    options = ["--out", root / "pieces", "--vocab_size", toy_asr.VOCAB, "--num_threads", 1]
    call(train_sentencepiece, "--text", root / "data/train/text", *options)
    config = "--max_epoch 2 --num_iters_per_epoch 60 --batch_bins 400 --num_workers 0"
    config += " --optim_conf lr=0.006 --scheduler_conf warmup_steps=20 --use_tensorboard false"
    for option in ("dim=32", "num_layers=2", "num_heads=2", "ffn_dim=64", "dropout=0.0"):
        config += f" --decoder_conf {option}"
    for split in ("train", "valid"):
        option = f"--{split}_data_path_and_name_and_type"
        config += f" {option} {root}/store/{split},codes,token_store"
        config += f" {option} {root}/data/{split}/text,text,transcripts"
    paths = ["--output_dir", root / "exp", "--pieces", root / "pieces"]
    call(decoder_only_asr_train, *paths, *config.split())
    decode = ["--exp", root / "exp", "--store", root / "store/test-one", "--out", root / "hyp"]
    for job in (1, 2):
        more = ["--job", job, "--num_jobs", 2, "--part_utterances", 5]
        call(decode_asr, *decode, *more, "--finalize", str(job == 2).lower())
    return root


def score(call, root, *options):
    hyp = [] if "--hyp" in options else ["--hyp", root / "hyp"]
    call(score_asr, "--data_dir", root / "data/test-one", *hyp, *options)


def test_a_trained_model_transcribes_better_than_chance(trained, call, capsys):
    score(call, trained, "--recipe", "egs2/toy/asr2", "--out", trained / "score")
    shown = capsys.readouterr().out
    assert "Corr" in shown and "# Wrd" in shown and "# Chr" in shown
    assert (trained / "score/scores.txt").read_text() == shown
    found = {r.metric: r for r in read_results(trained / "score/results.json").results}
    wer = found["wer"]
    assert wer.value < 0.6 and wer.unit == "fraction"
    assert wer.interval[0] <= wer.value <= wer.interval[1]
    expected = {
        "recipe": "egs2/toy/asr2",
        "set": "test_one",
        "exp": str(trained / "exp"),
        "features": "toy_base_l9",
        "tokenizer": "repcodec",
        "sizes": "16x8",
        "objective": "p(y|s)",
        "utterances": 12,
    }
    assert {key: wer.scored[key] for key in expected} == expected
    words = sum(len(text.split()) for text in read_table(trained / "data/test-one/text").values())
    assert wer.scored["tokens"] == words
    assert found["wer_by_lang"].scored["lang"] == "en"
    assert found["wer_by_lang"].value == wer.value and found["cer"].value < 0.6


def test_scores_lie_beside_the_hypotheses_with_the_worst_of_them(trained, call):
    score(call, trained, "--by", "spk,nothing", "--num_worst", 2)
    folder = trained / "hyp/score"
    assert "spk s0" in (folder / "scores.txt").read_text()
    assert (folder / "worst_wer.txt").read_text().count("REF:") <= 2
    results = json.loads((folder / "results.json").read_text())["results"]
    speakers = [r["scored"]["spk"] for r in results if r["metric"] == "cer_by_spk"]
    assert speakers == ["s0", "s1", "s2"]


def test_any_kaldi_text_can_be_scored(trained, call, tmp_path):
    references = read_table(trained / "data/test-one/text")
    write_table(tmp_path / "text", {utt: f" {t.upper()}." for utt, t in references.items()})
    score(call, trained, "--hyp", tmp_path / "text", "--case", "lower", "--remove", ".")
    wer = read_results(tmp_path / "score/results.json").results[0]
    assert wer.value == 0 and wer.scored["tokenizer"] is None
    score(call, trained, "--hyp", tmp_path / "text", "--out", tmp_path / "strict")
    assert read_results(tmp_path / "strict/results.json").results[0].value == 1


def test_missing_hypotheses_and_references_are_named(trained, call, tmp_path, caplog):
    references = read_table(trained / "data/test-one/text")
    first, *rest = references
    write_table(tmp_path / "text", {utt: references[utt] for utt in rest})
    with pytest.raises(DataError, match=rf"hypotheses of .* found none of 1: {first}"):
        score(call, trained, "--hyp", tmp_path / "text")
    score(call, trained, "--hyp", tmp_path / "text", "--ignore_missing", "true")
    assert "1 references have no hypothesis: left out" in caplog.text
    assert read_results(tmp_path / "score/results.json").results[0].scored["utterances"] == 11
    write_table(tmp_path / "text", {**references, "stranger": "one"})
    with pytest.raises(DataError, match=r"references of .* found none of 1: stranger"):
        score(call, trained, "--hyp", tmp_path / "text")
    score(call, trained, "--hyp", tmp_path / "text", "--unusable_text", "skip")


def test_one_source_of_speech_is_decoded(trained, call):
    for more in ([], ["--store", "a", "--features", "b"]):
        with pytest.raises(ConfigError, match="expected either --store or --features"):
            call(decode_asr, "--exp", trained / "exp", "--out", trained / "no", *more)


def test_pieces_are_trained_on_several_sets_at_once(trained, call, tmp_path):
    (tmp_path / "text").write_text("x UNA CASA\ny\n")
    text = ["--text", trained / "data/train/text", tmp_path / "text"]
    options = [*text, "--out", tmp_path / "pieces", "--vocab_size", 22, "--case", "lower"]
    with pytest.raises(DataError, match=r"1 with an empty transcript \(y\)"):
        call(train_sentencepiece, *options)
    call(train_sentencepiece, *options, "--unusable_text", "skip")
    pieces = Pieces(tmp_path / "pieces")
    assert pieces.unknown_characters("una casa one") == set()
    assert pieces.decode(pieces.encode("UNA")) == "una"


def test_perplexity_is_that_of_the_model_and_far_below_a_unigrams(trained, call, tmp_path, capsys):
    data, store = trained / "data", trained / "store/test-one"
    options = ["--text", data / "test-one/text", "--train_text", data / "train/text"]
    call(
        asr_perplexity,
        *("--exp", trained / "exp", "--store", store, "--out", tmp_path, "--set", "test_one"),
        *options,
    )
    found = {r.metric: r for r in read_results(tmp_path / "results.json").results}
    model, unigram = found["text_perplexity"], found["unigram_perplexity"]
    # One utterance at a time through what training logs.
    recognizer = load_experiment(trained / "exp").recognizer
    texts, units, loss, count = read_table(data / "test-one/text"), TokenStore(store), 0.0, 0
    for utt_id, text in texts.items():
        pieces = torch.from_numpy(recognizer.pieces.encode(text))
        codes = torch.from_numpy(units[utt_id])
        lengths = torch.tensor([len(codes)]), torch.tensor([len(pieces)])
        with torch.no_grad():
            _, stats, _ = recognizer.model(codes, lengths[0], pieces, lengths[1])
        loss += float(stats["perplexity"].log()) * (len(pieces) + 1)
        count += len(pieces) + 1
    assert model.value == pytest.approx(math.exp(loss / count), rel=1e-4)
    assert model.scored["tokens"] == count and model.scored["set"] == "test_one"
    assert model.interval[1] < unigram.interval[0]
    assert f"text_perplexity {model.value:.3f}" in capsys.readouterr().out


def test_the_unigram_counts_training_pieces_once_more_than_seen(trained):
    pieces = Pieces(trained / "pieces")
    training = list(read_table(trained / "data/train/text").values())
    seen = Counter(int(piece) for text in training for piece in (*pieces.encode(text), END))
    total = sum(seen.values()) + len(pieces)
    text = training[3]
    expected = -sum(math.log((seen[int(i)] + 1) / total) for i in (*pieces.encode(text), END))
    [(loss, count)] = unigram_losses(pieces, training, {"u": text}).values()
    assert loss == pytest.approx(expected)
    assert count == len(pieces.encode(text)) + 1
