"""Transcribing: what the search finds, for every utterance, whatever the batches and jobs."""

import dataclasses
import json

import numpy as np
import pytest
import torch
import toy_asr

from codec_ssl.asr.beam_search import SearchOptions, beam_search
from codec_ssl.asr.growing import GrowingHypotheses
from codec_ssl.asr.hypotheses import HypothesisFolder, decode_set, facts, read_facts
from codec_ssl.asr.recognizer import Experiment, Recognizer, load_experiment
from codec_ssl.asr.speech import record_speech
from codec_ssl.data.tables import read_table
from codec_ssl.errors import CheckpointError, ConfigError, DataError, TokenError
from codec_ssl.features.cache import FeatureCache


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("decode")
    text, store = toy_asr.make_set(folder, "test", 23, 0)
    toy_asr.make_pieces(folder, text)
    toy_asr.write_features(folder, "test", store)
    return folder


@pytest.fixture(scope="module")
def store(root):
    from codec_ssl.tokens.store import TokenStore

    return TokenStore(root / "store/test")


@pytest.fixture
def experiment(root, store, tiny_model):
    """An experiment as a training leaves it, loaded; untrained, so that it writes all sorts."""

    def build(speech=store, folder="exp", beam=3):
        recorded = record_speech(speech)
        train = recorded.get("codes") or recorded["features"]
        sizes = {"sizes": train["sizes"]} if "codes" in recorded else {"features": train["width"]}
        pieces = toy_asr.Pieces(root / "pieces")
        record = {"vocab_size": len(pieces), "fingerprint": pieces.fingerprint}
        toy_asr.write_exp(root / folder, tiny_model, recorded, record, **sizes)
        options = SearchOptions(beam=beam, max_ratio=0.3, max_extra=2)
        return load_experiment(root / folder, "latest", options=options, batch_frames=60)

    return build


def test_each_utterance_gets_what_a_search_for_it_alone_finds(experiment, store):
    recognizer = experiment().recognizer
    found = dict(recognizer(dict(store.items())))
    assert found.keys() == set(store.utt_ids)
    assert len({each.text for each in found.values()}) > 5
    for utt, codes in store.items():
        growing = GrowingHypotheses(
            recognizer.model, torch.from_numpy(codes), torch.tensor([len(codes)])
        )
        [[best]] = beam_search(growing, [len(codes)], recognizer.options)
        assert found[utt].text == recognizer.pieces.decode(best.pieces)
        assert found[utt].score == pytest.approx(best.score, abs=1e-4)
        assert found[utt].cut == best.cut


def test_features_are_transcribed_like_units(experiment, root):
    cache = FeatureCache(root / "features/test")
    ready = experiment(cache, "continuous")
    ready.check(cache)
    assert len(dict(ready.recognizer({utt: cache[utt] for utt in cache}))) == 23
    with pytest.raises(DataError, match=r"utterance u: expected features \(T, 6\), found shape"):
        dict(ready.recognizer({"u": np.zeros((3, 5), np.float32)}))


def test_units_out_of_range_are_named(experiment):
    recognizer = experiment().recognizer
    with pytest.raises(TokenError, match=r"utterance u: expected units in 0"):
        dict(recognizer({"ok": np.array([[1, 1]]), "u": np.array([[16, 0]])}))
    with pytest.raises(TokenError, match=r"utterance u: expected units \(T, 2\)"):
        dict(recognizer({"u": np.array([[1], [2]])}))


@pytest.mark.parametrize("num_jobs", [1, 3, 9])
def test_any_number_of_jobs_writes_the_same_hypotheses(experiment, store, tmp_path, num_jobs):
    ready = experiment()
    for job in range(num_jobs, 0, -1):
        options = {"job": job, "num_jobs": num_jobs, "part_utterances": 5}
        folder = decode_set(ready, store, tmp_path / "hyp", **options)
    hypotheses = folder.finalize()
    wanted = dict(ready.recognizer(dict(store.items())))
    assert hypotheses == {utt: each.text for utt, each in wanted.items()}
    assert read_table(tmp_path / "hyp/text", allow_empty=True) == hypotheses
    scores = {utt: float(s) for utt, s in read_table(tmp_path / "hyp/utt2score").items()}
    assert scores == pytest.approx({u: each.score for u, each in wanted.items()}, abs=1e-3)


def test_a_killed_job_goes_on_at_its_first_missing_part(experiment, store, tmp_path):
    ready = experiment()
    meta = facts(ready, store)
    folder = HypothesisFolder(tmp_path, store, meta, 5)
    assert folder.num_parts == 5 and folder.pending() == [0, 1, 2, 3, 4]
    folder.write_part(1, ready.recognizer)

    def dies(speech):
        yield next(iter(ready.recognizer(speech)))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folder.write_part(2, dies)
    with pytest.raises(DataError, match=r"expected 5 parts, found 4 missing, .*part-00000.tsv"):
        folder.finalize()
    again = HypothesisFolder(tmp_path, store, meta, 5)
    assert again.pending() == [0, 2, 3, 4]
    assert again.pending(2, 3) == [4]
    with pytest.raises(ConfigError, match="expected a job from 1 to 2, found 3"):
        again.pending(3, 2)


def test_a_folder_keeps_to_what_it_was_begun_with(experiment, store, tmp_path):
    ready = experiment()
    decode_set(ready, store, tmp_path)
    told = read_facts(tmp_path)
    assert told["features"] == "toy_base_l9" and told["tokenizer"] == "repcodec"
    assert told["sizes"] == "16x8" and told["search"]["beam"] == 3
    assert told["config"] == "train_toy.yaml" and told["objective"] == "p(y|s)"
    other = dataclasses.replace(
        ready, recognizer=Recognizer(ready.recognizer.model, ready.recognizer.pieces)
    )
    with pytest.raises(DataError, match=r"of the same model, data and options, found another"):
        decode_set(other, store, tmp_path)
    with pytest.raises(DataError, match=r"nowhere/decode.json: expected what decode_asr writes"):
        read_facts(tmp_path / "nowhere")


def test_other_units_than_the_trainings_are_refused(experiment, tmp_path):
    maker = {**toy_asr.MAKER, "fingerprint": "another tokenizer", "layer": 6}
    _, foreign = toy_asr.make_set(tmp_path, "foreign", 4, 1, maker=maker)
    with pytest.raises(CheckpointError, match="found 'another tokenizer'"):
        decode_set(experiment(), foreign, tmp_path / "hyp")
    assert not (tmp_path / "hyp").exists()


def test_pieces_that_are_not_the_trainings_are_refused(experiment, root):
    experiment(folder="spoilt")
    meta = root / "spoilt/pieces/pieces.json"
    told = json.loads(meta.read_text())
    told["normalization"]["case"] = "upper"
    meta.write_text(json.dumps(told))
    with pytest.raises(CheckpointError, match=r"expected the pieces of the training, \w+, found"):
        load_experiment(root / "spoilt", "latest")


def test_the_fingerprint_follows_weights_and_pieces(experiment, tiny_model, root):
    ready = experiment()
    assert isinstance(ready, Experiment)
    model, pieces = ready.recognizer.model, ready.recognizer.pieces
    assert Recognizer(model, pieces).fingerprint == ready.recognizer.fingerprint
    other = toy_asr.make_pieces(root / "more", {"a": "one two three four five", "b": "six"})
    assert Recognizer(model, other).fingerprint != ready.recognizer.fingerprint
    with torch.no_grad():
        model.head.weight[3, 3] += 1
    assert Recognizer(model, pieces).fingerprint != ready.recognizer.fingerprint
