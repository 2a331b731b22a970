"""Sums of layers are encoders."""

import argparse

import pytest
import torch
from toy_layers import Layers

from codec_ssl.errors import CheckpointError, ConfigError
from codec_ssl.features.mix import LayerMix, read_weights


def test_a_mix_is_the_weighted_sum_and_leaves_out_what_weighs_nothing():
    encoder = Layers()
    mix = LayerMix(encoder, [0.0, 0.25, 2.0])
    wav = torch.arange(8.0).view(2, 4)
    found, lens = mix.encode(wav, torch.tensor([4, 3]), [0])
    frames = wav[:, ::2, None]
    assert torch.equal(found[0], 0.25 * (1 + frames) + 2.0 * (2 + frames))
    assert encoder.asked == [1, 2] and lens.tolist() == [2, 2]
    assert (mix.num_layers, mix.name, mix.width) == (0, "layers_mix", 1)
    assert (mix.frames_of(5), mix.samples_for(3), mix.sample_rate) == (3, 5, 100)


def test_other_weights_are_another_encoder():
    prints = {LayerMix(Layers(), weights).fingerprint for weights in ([1, 0, 0], [0, 1, 0])}
    assert len(prints) == 2
    with pytest.raises(ConfigError, match="expected 3, for layers 0 to 2 of layers, found 2"):
        LayerMix(Layers(), [0.5, 0.5])


def test_weights_are_read_from_lists_files_and_checkpoints_of_superb(tmp_path):
    assert read_weights("0, 0.5,0.5") == [0.0, 0.5, 0.5]
    (tmp_path / "weights.txt").write_text("0.25\n0.75\n")
    assert read_weights(str(tmp_path / "weights.txt")) == [0.25, 0.75]
    logits = torch.tensor([0.0, 1.0, 2.0])
    path = tmp_path / "dev-best.ckpt"
    args = argparse.Namespace(upstream="hubert")  # which s3prl keeps too
    torch.save({"Featurizer": {"weights": logits}, "Args": args}, path)
    assert read_weights(str(path)) == pytest.approx(logits.softmax(0).tolist())
    torch.save({"Downstream": {}}, path)
    with pytest.raises(CheckpointError, match=r"\['Featurizer'\]\['weights'\]"):
        read_weights(str(path))
    with pytest.raises(ConfigError, match="expected numbers or a file of them, found 'a,b'"):
        read_weights("a,b")
    many = [n / 1000 for n in range(25)]
    assert read_weights(",".join(f"{weight:.10f}" for weight in many)) == many
    with pytest.raises(ConfigError, match="expected one that isn't 0"):
        LayerMix(Layers(), [0.0, 0.0, 0.0])
