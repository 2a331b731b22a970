"""A probe finds what a layer holds, on equal frames for all systems, and skips what isn't there."""

import numpy as np
import pytest
import toy_corpus

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError
from codec_ssl.evaluation.probe import ProbeOptions, System, probe
from codec_ssl.evaluation.sample import Split, collect, draw_sample
from codec_ssl.evaluation.tasks import make_task
from codec_ssl.features.factory import make_encoder
from codec_ssl.features.ours import load_encoder
from codec_ssl.features.stream import CodeSource, stream_features
from codec_ssl.tokens.store import TokenStore

SIZES = {"train": 60, "valid": 20, "test": 30}
OPTIONS = ProbeOptions(num_clusters=20, num_resamples=200)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy corpus")
    for seed, (name, size) in enumerate(SIZES.items()):
        toy_corpus.make_split(folder, name, size, seed)
    toy_corpus.make_exp(folder / "exp" / "a", folder / "store" / "train")
    return folder


@pytest.fixture(scope="module")
def splits(root):
    return {n: Split(n, DataDir(root / n), TokenStore(root / "store" / n)) for n in SIZES}


def draw(splits, **options):
    given = {"with_phones": True, "max_utterances": 1000, "max_frames": 1000, "seed": 0, **options}
    return {name: draw_sample(split, **given) for name, split in splits.items()}


def systems(root, splits, names=("codec", "logmel")):
    store = splits["train"].store
    return [System(n, "baseline", lambda n=n: make_encoder(n, store, "cpu"), [0]) for n in names]


def test_phones_and_speakers_are_found_where_they_are(root, splits):
    results, notes = probe(splits, systems(root, splits), ["phone", "speaker", "colour"], OPTIONS)
    value = {(r.metric, r.scored["system"]): r.value for r in results}
    assert notes == []
    # A fifth of the first codes is random, so 0.8 + 0.2 / 5 is the best there is.
    assert value["phone_accuracy", "codec"] == pytest.approx(0.84, abs=0.05)
    assert value["phone_accuracy", "logmel"] > 0.95
    assert value["speaker_accuracy", "codec"] > 0.95
    assert value["speaker_accuracy", "logmel"] < 0.7
    assert value["colour_accuracy", "codec"] > 0.8
    assert value["pnmi", "logmel"] > value["pnmi", "codec"]
    for result in results:
        if result.interval is not None:
            assert result.interval[0] <= result.value <= result.interval[1]
            assert result.scored["converged"]


def test_every_layer_of_a_model_is_scored_with_seeds_apart(root, splits):
    make = lambda seed: lambda: load_encoder(root / "exp" / "a", untrained_seed=seed)  # noqa: E731
    models = [System("m", "model", make(s), facts={"exp": f"m{s}"}) for s in (0, 1)]
    results, _ = probe(splits, models, ["phone"], OPTIONS)
    found = {(r.scored["exp"], r.scored["layer"]) for r in results if r.metric == "phone_accuracy"}
    assert found == {(f"m{s}", layer) for s in (0, 1) for layer in range(4)}


def test_same_seed_same_results(root, splits):
    runs = [probe(splits, systems(root, splits, ["codec"]), ["phone"], OPTIONS)[0] for _ in "ab"]
    assert runs[0] == runs[1]


def test_collected_frames_and_means_are_those_of_plain_indexing(root, splits):
    sample = draw(splits, max_frames=50)["train"]
    encoder = make_encoder(str(root / "exp" / "a"), splits["train"].store, "cpu")
    collected = collect(encoder, sample, [0, 2])
    whole = {}
    for batch in stream_features(encoder, CodeSource(splits["train"].store), [0, 2]):
        parts = {layer: v.split(batch.lengths.tolist()) for layer, v in batch.features.items()}
        for position, utt in enumerate(batch.utt_ids):
            whole[utt] = {layer: parts[layer][position] for layer in parts}
    for layer in (0, 2):
        for row, (owner, frame) in enumerate(zip(sample.owners, sample.frames, strict=True)):
            expected = whole[sample.utt_ids[owner]][layer][frame]
            np.testing.assert_allclose(collected.frames[layer][row], expected, atol=1e-5)
        for row, utt in enumerate(sample.utt_ids):
            np.testing.assert_allclose(
                collected.pooled[layer][row], whole[utt][layer].mean(0), atol=1e-5
            )


def test_pieces_of_a_cut_utterance_are_put_together(root, splits, monkeypatch):
    sample = draw(splits)["test"]
    encoder = make_encoder("codec", splits["test"].store, "cpu")
    whole = collect(encoder, sample, [0])
    cut = lambda *args: stream_features(*args, batch_frames=20, chunk_frames=7)  # noqa: E731
    monkeypatch.setattr("codec_ssl.evaluation.sample.stream_features", cut)
    pieces = collect(encoder, sample, [0])
    np.testing.assert_allclose(pieces.frames[0], whole.frames[0], atol=1e-5)
    np.testing.assert_allclose(pieces.pooled[0], whole.pooled[0], atol=1e-5)


def test_sample_holds_the_phone_of_each_drawn_frame_and_keeps_its_bounds(splits):
    sample = draw(splits, max_utterances=9, max_frames=37)["train"]
    assert (len(sample.utt_ids), len(sample.owners)) == (9, 37)
    for owner, frame, phone in zip(sample.owners, sample.frames, sample.phones, strict=True):
        segments = splits["train"].data_dir.phones[sample.utt_ids[owner]]
        centre = (frame + 0.5) / 50
        (expected,) = [s.label for s in segments if s.start <= centre < s.end]
        assert phone == expected


def test_speaker_disjoint_splits_are_pooled_and_said_so(root, tmp_path):
    for seed, (name, speakers) in enumerate({"train": "ab", "valid": "cd", "test": "ef"}.items()):
        toy_corpus.make_split(tmp_path, name, 20, seed, tuple(speakers))
    splits = {n: Split(n, DataDir(tmp_path / n), TokenStore(tmp_path / "store" / n)) for n in SIZES}
    task = make_task("speaker", draw(splits), seed=0)
    assert task.protocol == "pooled"
    assert "split 60/20/20 anew" in task.note
    assert task.classes == list("abcdef")
    items = [task.parts[name].items for name in SIZES]
    assert len(np.unique(np.concatenate(items))) == sum(map(len, items)) == 60
    assert [len(part) for part in items] == [36, 12, 12]


def test_without_alignments_phones_are_skipped_with_a_note(root, splits, tmp_path):
    toy = tmp_path / "toy"
    for seed, (name, size) in enumerate(SIZES.items()):
        data, _ = toy_corpus.make_split(toy, name, size, seed)
        (data / "phones.ctm").unlink()
    bare = {n: Split(n, DataDir(toy / n), TokenStore(toy / "store" / n)) for n in SIZES}
    results, notes = probe(bare, systems(root, bare, ["codec"]), ["phone", "speaker"], OPTIONS)
    assert {r.metric for r in results} == {"speaker_accuracy"}
    assert notes == ["phone: skipped, no such labels in train, valid, test"]
    with pytest.raises(DataError, match=r"nothing to probe.*'data'"):
        probe(bare, [], ["phone", "keyword"], OPTIONS)


def test_majority_is_the_share_of_the_most_frequent_train_class(splits):
    task = make_task("colour", draw(splits), seed=0)
    train, test = (splits[n].data_dir.labels("colour") for n in ("train", "test"))
    top = max(["red", "blue"], key=list(train.values()).count)
    assert task.majority == pytest.approx(list(test.values()).count(top) / len(test))


def test_data_dir_and_store_without_shared_utterances_are_refused(splits):
    mixed = Split("train", splits["train"].data_dir, splits["test"].store)
    with pytest.raises(DataError, match=r"found none.*'tokens'"):
        draw_sample(mixed, with_phones=False, max_utterances=9, max_frames=9, seed=0)
