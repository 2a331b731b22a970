"""Our models as encoders: the trained weights, all of them, and no layer more than asked for."""

import pytest
import torch
import toy_corpus
import yaml

from codec_ssl.errors import CheckpointError, ConfigError
from codec_ssl.features.ours import config_name, load_encoder


@pytest.fixture(scope="module")
def exp(tmp_path_factory):
    root = tmp_path_factory.mktemp("exp")
    codes = {f"u{n}": torch.randint(32, (20 + n, 2)).numpy() for n in range(3)}
    toy_corpus.write_store(root / "store", codes)
    return root / "run", toy_corpus.make_exp(root / "run", root / "store")


def batch():
    torch.manual_seed(0)
    return torch.randint(32, (2, 15, 2)), torch.tensor([15, 9])


def test_features_are_those_of_the_model_that_was_saved(exp):
    folder, model = exp
    encoder = load_encoder(folder)
    codes, lens = batch()
    features, frame_lens = encoder.encode(codes, lens, [0, 3])
    expected = model.extract(codes, lens, [0, 3])
    assert frame_lens.tolist() == [15, 9]
    for layer in (0, 3):
        torch.testing.assert_close(features[layer], expected[layer])
    assert (encoder.num_layers, encoder.width, encoder.input_kind) == (3, 32, "codes")


def test_layers_above_the_highest_one_asked_for_are_not_computed(exp):
    encoder = load_encoder(exp[0])
    for layer in encoder._model.encoder.layers[2:]:
        layer.forward = None
    encoder.encode(*batch(), [1, 2])
    with pytest.raises(TypeError):
        encoder.encode(*batch(), [3])


def test_untrained_model_has_the_codebook_and_other_weights(exp):
    folder, _ = exp
    trained, fresh = load_encoder(folder), load_encoder(folder, untrained_seed=1)
    again, other = (load_encoder(folder, untrained_seed=seed) for seed in (1, 2))
    assert fresh.fingerprint == again.fingerprint
    assert len({trained.fingerprint, fresh.fingerprint, other.fingerprint}) == 3
    table = next(v for v in fresh._model.frontend.state_dict().values() if v.shape[-1] == 64)
    torch.testing.assert_close(table.view(2, 32, 64), toy_corpus.codebook())


def test_loading_leaves_the_random_state_alone(exp):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    load_encoder(exp[0], untrained_seed=1)
    assert torch.equal(torch.rand(1), expected)


def test_the_codebook_file_is_not_needed_for_a_trained_model(exp, tmp_path):
    config = yaml.safe_load((exp[0] / "config.yaml").read_text())
    config["frontend_conf"]["codebook"] = "moved/away.safetensors"
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "latest.pth").write_bytes((exp[0] / "latest.pth").read_bytes())
    assert load_encoder(tmp_path).fingerprint == load_encoder(exp[0]).fingerprint
    with pytest.raises(ConfigError, match="moved"):
        load_encoder(tmp_path, untrained_seed=0)


@pytest.mark.parametrize("damage", ["renamed", "missing", "cut", "gone"])
def test_weights_that_do_not_fit_are_refused(exp, tmp_path, damage):
    (tmp_path / "config.yaml").write_bytes((exp[0] / "config.yaml").read_bytes())
    state = torch.load(exp[0] / "latest.pth")
    key = next(key for key in state if "layers.1" in key)
    value = state.pop(key)
    if damage == "renamed":
        state[key + "_old"] = value
    torch.save(state, tmp_path / "latest.pth")
    if damage == "cut":
        (tmp_path / "latest.pth").write_bytes((tmp_path / "latest.pth").read_bytes()[:-50])
    if damage == "gone":
        (tmp_path / "latest.pth").unlink()
    with pytest.raises(CheckpointError):
        load_encoder(tmp_path)


def test_a_layer_that_is_not_there_is_refused(exp):
    with pytest.raises(ConfigError, match="layers 0 to 3"):
        load_encoder(exp[0]).encode(*batch(), [9])


def test_config_name_is_the_training_config(exp):
    assert config_name(exp[0]) == "train_toy.yaml"
