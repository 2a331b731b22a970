"""Promises of the EnCodecMAE task, each kept by a training through its command line."""

import json
import signal

import pytest
import torch
import toy_mae
from processes import kill_in_training
from ranks import read_ranks, two_ranks

from codec_ssl.bin import cache_features, check_layer, extract_labels, fit_kmeans
from codec_ssl.errors import CheckpointError, ConfigError, TokenError
from codec_ssl.features.cache_writer import write_cache
from codec_ssl.features.codec_latents import CodecLatents
from codec_ssl.features.factory import make_encoder, open_utterances
from codec_ssl.features.ours import load_encoder
from codec_ssl.nn.masking import GapMasking
from codec_ssl.tokens.store import TokenStore
from codec_ssl.train.checkpoint import load_weights

pytestmark = [pytest.mark.timeout(900)]
STEPS = 3
TYPES = {
    "audio": "data,audio,data_dir",
    "codes": "codes,codes,token_store",
    "labels": "labels,labels,token_store",
    "features": "features,features,feature_cache",
}


@pytest.fixture(scope="module")
def task():
    from codec_ssl.tasks.encodecmae import EncodecMAETask

    return EncodecMAETask


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A corpus with a cache of its latents beside it."""
    folder = tmp_path_factory.mktemp("mae")
    codec = toy_mae.make_corpus(folder)
    latents = CodecLatents(codec)
    for split in toy_mae.LENGTHS:
        store = TokenStore(folder / "codes" / split)
        data = toy_mae.DataDir(folder / "data" / split)
        write_cache(latents, store, 0, folder / "features" / split, dtype="float32", data_dir=data)
    return folder


@pytest.fixture
def command(root):
    """Command line of a training that takes a second."""

    def build(output_dir, *more, data="audio codes", kind="latent", target="codes", codec=True):
        cmd = f"""--output_dir {output_dir} --input {kind} --target {target} --max_epoch 2
            --num_workers 0 --num_iters_per_epoch {STEPS} --batch_size 4 --crop_frames 40
            --encoder_conf dim=16 --encoder_conf num_layers=2 --encoder_conf num_heads=2
            --encoder_conf ffn_dim=32 --decoder_conf num_layers=1 --optim_conf lr=0.003
            --use_tensorboard false --alarm_conf pred_perplexity=null""".split()
        cmd += ["--target_conf", "code_weights=[0.4,0.3,0.2,0.1]"]
        if codec:
            cmd += ["--codec", f"{root}/codec"]
        for split in ("train", "valid"):
            for name in data.split():
                folder, _, rest = TYPES[name].partition(",")
                entry = f"{root}/{folder}/{split},{rest}"
                cmd += [f"--{split}_data_path_and_name_and_type", entry]
        return [*cmd, *more]

    return build


def run(task, cmd, kill_at=None):
    """Train; die after so many forward passes of training."""
    if kill_at is not None:
        from codec_ssl.tasks.encodecmae_model import ESPnetEncodecMAE

        kill_in_training(ESPnetEncodecMAE, kill_at)
    task.main(cmd=cmd)


def losses(folder):
    epochs = json.loads((folder / "history.json").read_text())
    return [(e["train"]["loss"], e["valid"]["loss"]) for e in epochs]


def test_killed_and_resumed_equals_uninterrupted(tmp_path, task, command, forked, same_run):
    run(task, command(tmp_path / "whole"))
    cut = command(tmp_path / "cut")
    assert forked(run, task, cut, STEPS + 2) == -signal.SIGKILL
    run(task, cut)
    same_run(tmp_path / "whole", tmp_path / "cut")


def test_two_processes_hold_one_model_which_is_that_of_one_process(
    tmp_path, task, command, forked, in_parallel, monkeypatch
):
    """With a mask that doesn't depend on who draws it, and crops of equal lengths."""

    def every_other(_, lengths, generator=None):
        return torch.arange(int(lengths.sum())) % 2 == 1

    monkeypatch.setattr(GapMasking, "__call__", every_other)
    # A large eps: without it, Adam takes the sign of gradients that are rounding errors.
    equal = ("--crop_frames", "12", "--optim_conf", "eps=0.01")
    assert forked(run, task, command(tmp_path / "one", *equal)) == 0
    assert in_parallel(*two_ranks(task, command(tmp_path / "exp", *equal), tmp_path)) == [0, 0]
    first, second = read_ranks(tmp_path)
    assert len(first["losses"]) == 2 and first["losses"] == second["losses"]
    torch.testing.assert_close(first["model"], second["model"], rtol=0, atol=0)
    model = load_weights(tmp_path / "exp")[1]
    torch.testing.assert_close(first["model"], model, rtol=0, atol=0)
    alone = [train for train, _ in losses(tmp_path / "one")]
    assert first["losses"] == pytest.approx(alone, rel=1e-5)
    joined = load_weights(tmp_path / "one")[1]
    torch.testing.assert_close(model, joined, rtol=1e-4, atol=1e-5)
    moved = forked(run, task, command(tmp_path / "still", *equal, "--optim_conf", "lr=0.0"))
    start = load_weights(tmp_path / "still")[1]
    name = "encodecmae.bridge.weight"
    assert moved == 0 and (start[name] - joined[name]).abs().max() > 1e-3


def test_codes_of_a_store_and_codes_made_on_the_way_train_alike(tmp_path, task, command):
    """But for the start of a crop, where the codec misses what came before."""
    whole = ("--crop_frames", "130", "--max_epoch", "1")
    run(task, command(tmp_path / "store", *whole))
    run(task, command(tmp_path / "live", *whole, data="audio"))
    run(task, command(tmp_path / "cache", *whole, data="features codes"))
    run(task, command(tmp_path / "mixed", *whole, data="features audio"))
    for name in ("live", "cache", "mixed"):
        for one, other in zip(losses(tmp_path / "store"), losses(tmp_path / name), strict=True):
            assert one == pytest.approx(other, rel=2e-2)


def test_quantized_latents_of_stored_codes_are_those_of_the_codec(tmp_path, task, command):
    options = {"kind": "quantized"}
    whole = ("--crop_frames", "130", "--max_epoch", "1")
    run(task, command(tmp_path / "store", *whole, data="codes", **options))
    run(task, command(tmp_path / "live", *whole, data="audio", **options))
    for one, other in zip(losses(tmp_path / "store"), losses(tmp_path / "live"), strict=True):
        assert one == pytest.approx(other, rel=2e-2)


def test_mel_needs_no_codec_where_codes_are_stored(tmp_path, task, command):
    run(task, command(tmp_path, "--max_epoch", "1", kind="mel", codec=False))
    config, _ = load_weights(tmp_path)
    assert config["input_conf"] == {"sample_rate": 24000, "hop_length": 320, "width": 256}
    encoder = load_encoder(tmp_path)
    found, frames = encoder.encode(torch.randn(1, 6400), torch.tensor([6400]), [3])
    assert found[3].shape == (1, 20, 16) and frames.tolist() == [20]


def test_mel_is_cached_as_the_config_and_the_codec_say(tmp_path, task, command, root, call):
    config = tmp_path / "train.yaml"
    config.write_text("input: mel\ninput_conf: {num_mels: 40, mean: -5.0}\n")
    for split in toy_mae.LENGTHS:
        material = ("--data_dir", root / "data" / split, "--store", root / "codes" / split)
        wanted = ("--train_config", config, "--codec", root / "codec")
        call(cache_features, *wanted, *material, "--out", tmp_path / "features" / split)
    cmd = command(tmp_path / "exp", "--max_epoch", "1", data="features codes", kind="mel")
    cmd = [part.replace(f"{root}/features/", f"{tmp_path}/features/") for part in cmd]
    with pytest.raises(ConfigError, match="expected features of the input mel"):
        run(task, cmd)
    run(task, [*cmd, "--config", str(config)])
    conf = load_weights(tmp_path / "exp")[0]["input_conf"]
    grid = {"sample_rate": 24000, "hop_length": 320}
    assert conf == {**grid, "num_mels": 40, "mean": -5.0, "width": 40}


def test_k_means_takes_the_last_layer_of_the_stack_and_labels_take_that_of_k_means(
    tmp_path, task, command, root, call
):
    run(task, command(tmp_path / "exp", "--max_epoch", "1"))
    material = ("--exp", tmp_path / "exp", "--data_dir", root / "data" / "valid")
    call(fit_kmeans, *material, "--out", tmp_path / "kmeans", "--num_clusters", 4)
    labels = ("--kmeans", tmp_path / "kmeans", "--out", tmp_path / "labels", "--finalize", "true")
    call(extract_labels, *material, *labels)
    assert TokenStore(tmp_path / "labels").meta.maker["layer"] == 2
    call(check_layer, "--layer", 3, "--exp", tmp_path / "exp")
    with pytest.raises(ConfigError, match=r"exp: expected a layer of 1 to 3, found 4.*labels"):
        call(check_layer, "--layer", 4, "--exp", tmp_path / "exp")
    config = tmp_path / "train.yaml"
    config.write_text("encoder_conf: {num_layers: 5}\n")
    call(check_layer, "--layer", 6, "--config", config, "--max_epoch", 2)
    for last, options in ((6, ()), (3, ("--encoder_conf", "num_layers=2"))):
        with pytest.raises(
            ConfigError, match=rf"train.yaml: expected a layer of 1 to {last}, found"
        ):
            call(check_layer, "--layer", 7, "--config", config, *options)


@pytest.mark.parametrize("target", ["both", "labels"], ids=["v1", "v2"])
def test_self_training_goes_on_from_the_first_training_with_new_heads(
    tmp_path, task, command, target
):
    run(task, command(tmp_path / "first", "--max_epoch", "1"))
    new = "encodecmae.objective.heads" + (".labels" if target == "both" else "")
    start = f"{tmp_path}/first/latest.pth:encodecmae:encodecmae:{new}"
    names = "audio codes labels" if target == "both" else "audio labels"
    still = ("--init_param", start, "--max_epoch", "1", "--optim_conf", "lr=0.0")
    run(task, command(tmp_path / "second", *still, data=names, target=target))
    (_, before), (config, after) = (load_weights(tmp_path / n) for n in ("first", "second"))
    assert config["target_conf"]["num_classes"] == toy_mae.CLASSES
    kept = [key for key in after if not key.startswith(new)]
    assert all(torch.equal(before[key], after[key]) for key in kept)
    heads = {key.split(".")[3] for key in after if ".heads." in key}
    assert heads == ({"codes", "labels"} if target == "both" else {"labels"})
    history = json.loads((tmp_path / "second" / "history.json").read_text())
    assert ("label_acc_masked" in history[0]["train"]) == (target == "both")


def test_an_experiment_is_an_encoder_of_waveforms_wherever_it_lies(tmp_path, task, command, root):
    run(task, command(tmp_path / "exp", "--max_epoch", "1"))
    encoder = make_encoder(str(tmp_path / "exp"), None, "cpu")
    data_dir = toy_mae.DataDir(root / "data" / "valid")
    utterances = open_utterances(encoder, None, data_dir)
    assert utterances.lengths.tolist() == toy_mae.LENGTHS["valid"]
    assert (encoder.num_layers, encoder.width, encoder.frame_rate) == (3, 16, 75.0)
    wav = torch.randn(2, 9000)
    both, frames = encoder.encode(wav, torch.tensor([9000, 5000]), [0, 2, 3])
    alone, _ = encoder.encode(wav[1:, :5000], torch.tensor([5000]), [0, 2, 3])
    assert frames.tolist() == [29, 16]
    for layer, values in alone.items():
        torch.testing.assert_close(both[layer][1, :16], values[0], atol=1e-4, rtol=1e-4)
    fresh = [load_encoder(tmp_path / "exp", untrained_seed=seed) for seed in (1, 1, 2)]
    assert fresh[0].fingerprint == fresh[1].fingerprint != fresh[2].fingerprint
    assert encoder.fingerprint not in {each.fingerprint for each in fresh}


def test_the_codec_is_found_beside_a_moved_experiment_and_must_be_the_same(
    tmp_path, task, command, root
):
    run(task, command(tmp_path / "exp", "--max_epoch", "1"))
    config = tmp_path / "exp" / "config.yaml"
    moved = config.read_text().replace(f"{root}/codec", "/nowhere/codec")
    config.write_text(moved)
    (tmp_path / "codec").symlink_to(root / "codec")
    assert load_encoder(tmp_path / "exp").num_layers == 3
    (tmp_path / "codec").unlink()
    torch.manual_seed(9)
    toy_mae.make_codec(tmp_path / "other")
    config.write_text(moved.replace("/nowhere/codec", f"{tmp_path}/other"))
    text = config.read_text()
    fingerprint = toy_mae.load_codec(root / "codec").fingerprint
    config.write_text(text.replace(fingerprint, "f" * 64))
    with pytest.raises(CheckpointError, match="expected the codec ffffffffffff"):
        load_encoder(tmp_path / "exp")


def test_other_data_or_another_codec_are_refused_on_resume(tmp_path, task, command):
    run(task, command(tmp_path, "--max_epoch", "1"))
    with pytest.raises(CheckpointError, match="the train data that it was trained with"):
        run(task, command(tmp_path, data="features codes"))
    with pytest.raises(CheckpointError, match="expected the codec"):
        run(task, command(tmp_path, data="features codes", codec=False))


def test_what_is_missing_or_in_vain_stops_before_training(tmp_path, task, command, root):
    wrong = {
        "expected audio or features": {"data": "codes"},
        "expected codes, or audio and --codec": {"data": "audio", "codec": False, "kind": "mel"},
        "expected labels": {"target": "both"},
        "expected no labels": {"data": "audio codes labels"},
        "read for nothing": {"data": "audio codes", "kind": "quantized"},
        "expected features of the input mel": {"data": "features codes", "kind": "mel"},
        "input latent: expected --codec": {"codec": False},
    }
    for message, options in wrong.items():
        with pytest.raises(ConfigError, match=message):
            run(task, command(tmp_path, **options))
    with pytest.raises(ConfigError, match="iterator_type task"):
        run(task, command(tmp_path, "--iterator_type", "chunk"))
    with pytest.raises(ConfigError, match="width 99"):
        run(task, command(tmp_path, "--input_conf", "width=99", kind="mel"))
    with pytest.raises(ConfigError, match="latent takes no num_mels"):
        run(task, command(tmp_path, "--input_conf", "num_mels=9"))
    other = root / "foreign"
    if not other.exists():
        store = TokenStore(root / "codes" / "train")
        maker = {"kind": "codec", "name": "another", "fingerprint": "of another"}
        toy_mae.write_store(other, dict(store), store.meta.sizes, maker)
    cmd = [part.replace(f"{root}/codes/train", str(other)) for part in command(tmp_path)]
    with pytest.raises(TokenError, match="expected tokens whose maker"):
        run(task, cmd)
    assert not (tmp_path / "checkpoint.pth").exists()
