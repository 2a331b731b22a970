"""From features to a table of tokenizers by the command lines that a recipe calls."""

import pytest
import torch
import toy_corpus

from codec_ssl.bin import (
    evaluate_tokens,
    export_tokenizer,
    extract_labels,
    fit_kmeans,
    train_tokenizer,
)
from codec_ssl.errors import ConfigError
from codec_ssl.report.results import read_results
from codec_ssl.tokenizers.registry import load_tokenizer

pytestmark = [pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def made(tmp_path_factory, call):
    """k-means, and VQ after its first and its last epoch, with their tokens of a test set."""
    root = tmp_path_factory.mktemp("all tokens")
    for seed, (name, count) in enumerate({"train": 20, "valid": 5, "test-one": 30}.items()):
        toy_corpus.make_split(root, name, count, seed)
    encoder = ["--encoder", "codec", "--layer", 0, "--data_dir", root / "test-one"]
    train = ["--encoder", "codec", "--layer", 0, "--store", root / "store/train"]
    call(fit_kmeans, *train, "--num_clusters", 16, "--out", root / "kmeans")
    data = []
    for split in ("train", "valid"):
        data += [
            f"--{split}_data_path_and_name_and_type",
            f"{root}/store/{split},codes,token_store",
        ]
    call(
        train_tokenizer,
        *("--tokenizer", "vq", "--output_dir", root / "vq", "--max_epoch", 3, "--num_workers", 0),
        *("--num_iters_per_epoch", 10, "--batch_size", 4, "--crop_frames", 24),
        *("--tokenizer_conf", "num_clusters=16", "--feature_encoder", "codec"),
        *("--feature_layer", 0, "--use_tensorboard", "false", "--keep_nbest_models", 9),
        *("--alarm_conf", "code_usage=null", *data),
    )
    call(export_tokenizer, "--exp", root / "vq", "--checkpoint", 1, "--out", root / "vq@1")
    folders = {"kmeans": root / "kmeans", "vq": root / "vq/tokenizer", "vq@1": root / "vq@1"}
    for name, folder in folders.items():
        options = ["--tokenizer", folder, "--name", name, "--out", root / "of" / name / "test-one"]
        store = ["--store", root / "store/test-one", "--finalize", "true"]
        call(extract_labels, *encoder, *options, *store)
    return root, folders, encoder


def test_an_export_is_the_tokenizer_of_that_epoch(made):
    root, folders, _ = made
    books = {name: load_tokenizer(folder).weights() for name, folder in folders.items()}
    [key] = [key for key in books["vq"] if "codebook" in key or "embed" in key][:1]
    state = torch.load(root / "vq/1epoch.pth", weights_only=True)
    [held] = [value for name, value in state.items() if name.endswith(key)]
    assert torch.equal(books["vq@1"][key], held)
    assert not torch.equal(books["vq"][key], held)


def test_all_tokenizers_stand_in_one_table_with_points_of_a_curve(made, call, tmp_path, capsys):
    root, folders, encoder = made
    out = tmp_path / "quality"
    stores = [f"{name}={root}/of/{name}/test-one" for name in folders]
    tokenizers = [f"{name}={folder}" for name, folder in folders.items()]
    codes = ["--store", root / "store/test-one", "--recipe", "egs2/toy/tok1"]
    call(
        evaluate_tokens,
        *encoder,
        *codes,
        *("--stores", *stores, "--tokenizers", *tokenizers, "--max_ngram", 2, "--out", out),
    )
    table = capsys.readouterr().out
    assert (out / "quality.txt").read_text() in table
    values = {}
    for result in read_results(out / "results.json").results:
        assert result.scored["set"] == "test_one" and result.scored["recipe"] == "egs2/toy/tok1"
        values.setdefault(result.scored["tokenizer"], {})[result.metric] = result.value
    assert values.keys() == folders.keys()
    assert all(name in table for name in folders)
    for found in values.values():
        assert found["bitrate"] == pytest.approx(0.2)  # 4 bits, 50 times a second
        assert 0 < found["reconstruction_loss"] < 1 and "pnmi_2" in found
    # Lloyd's result is the best that single vectors can do; training approaches it.
    losses = {name: found["reconstruction_loss"] for name, found in values.items()}
    assert losses["kmeans"] < losses["vq"] < losses["vq@1"]


def test_what_does_not_fit_is_refused(made, call, tmp_path):
    root, folders, encoder = made
    stores = ["--stores", f"kmeans={root}/of/kmeans/test-one", "--out", tmp_path]
    with pytest.raises(ConfigError, match="expected an --encoder"):
        call(evaluate_tokens, *stores, "--tokenizers", f"kmeans={folders['kmeans']}")
    with pytest.raises(ConfigError, match="expected names of --stores, found 'vq'"):
        call(
            evaluate_tokens,
            *encoder,
            *("--store", root / "store/test-one", *stores),
            *("--tokenizers", f"vq={folders['vq']}"),
        )
