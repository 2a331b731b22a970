"""The contract that all codecs share."""

import logging
import subprocess
import sys

import pytest
import torch
import yaml
from torch import nn

from codec_ssl.codecs.base import load_codec
from codec_ssl.codecs.config import CONF_DIR, codec_names, read_spec
from codec_ssl.errors import CodecError


def test_stays_frozen_inside_a_module_that_trains(codecs, make_signal):
    codec = codecs["dac_16k"]
    parent = nn.ModuleDict({"codec": codec, "head": nn.Linear(2, 2)})
    parent.train()
    assert parent["head"].training
    assert not any(module.training for module in codec.modules())
    wav = torch.from_numpy(make_signal(2000))[None].requires_grad_()
    assert not codec.latent(wav)[0].requires_grad
    assert not any(p.requires_grad for p in codec.parameters())


def test_another_rate_is_resampled_and_said_once(codecs, make_signal, caplog):
    codec = codecs["encodec_24k"]
    wav = torch.from_numpy(make_signal(8000))[None]
    with caplog.at_level(logging.INFO):
        codes, lens = codec.encode(wav, sample_rate=8000)
        codec.encode(wav, sample_rate=8000)
    assert lens.tolist() == [75]
    assert [r.message for r in caplog.records if "resampling" in r.message] == [
        "codec encodec_24k: resampling audio from 8000 Hz to 24000 Hz"
    ]
    assert not torch.equal(codes, codec.encode(wav)[0])


def test_wrong_input_is_refused(codecs):
    codec = codecs["dac_16k"]
    with pytest.raises(CodecError, match=r"expected float waveforms \(B, N\)"):
        codec.encode(torch.zeros(3, 1, 100))
    with pytest.raises(CodecError, match=r"lengths of 1\.\.100"):
        codec.encode(torch.zeros(2, 100), torch.tensor([100, 0]))
    with pytest.raises(CodecError, match=r"codes are 0\.\.63, found 0\.\.64"):
        codec.decode(torch.tensor([[[0, 0, 0, 64]]]))
    with pytest.raises(CodecError, match="fewer codebooks"):
        codec.decode(torch.zeros(1, 1, 5, dtype=torch.long))


def test_fingerprint_is_that_of_weights_and_settings(small_dac, tmp_path):
    small_dac(seed=0).save(tmp_path / "a.pth", package=False)
    small_dac(seed=1).save(tmp_path / "b.pth", package=False)
    first = load_codec(tmp_path / "a.pth").fingerprint
    assert first != load_codec(tmp_path / "b.pth").fingerprint
    assert first != load_codec(tmp_path / "a.pth", precision="bf16").fingerprint
    code = (
        "from codec_ssl.codecs.base import load_codec; import sys; "
        "print(load_codec(sys.argv[1]).fingerprint)"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "a.pth")]
    elsewhere = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert elsewhere.strip() == first


def test_bf16_codes_are_codes(small_dac, tmp_path, make_signal):
    small_dac().save(tmp_path / "a.pth", package=False)
    codec = load_codec(tmp_path / "a.pth", precision="bf16")
    codes, _ = codec.encode(torch.from_numpy(make_signal(4000))[None])
    assert 0 <= codes.min() <= codes.max() < 64
    with pytest.raises(CodecError, match="precision"):
        load_codec(tmp_path / "a.pth", precision="fp8")


def test_every_shipped_configuration_is_understood():
    assert {"dac_16k", "dac_24k", "dac_44k", "encodec_24k", "encodec_48k"} <= set(codec_names())
    for name in codec_names():
        assert read_spec(name)["name"] == name
        opening = (CONF_DIR / f"{name}.yaml").read_text()
        assert opening.startswith("# "), name


def test_unknown_names_and_keys_are_refused(tmp_path):
    with pytest.raises(CodecError, match="dac_16k, dac_24k"):
        load_codec("no_such_codec")
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"kind": "dac", "num_codebook": 3}))
    with pytest.raises(CodecError, match=r"unknown keys \['num_codebook'\]"):
        load_codec(tmp_path / "c.yaml")
    (tmp_path / "c.yaml").write_text("kind: speex\n")
    with pytest.raises(CodecError, match="expected kind"):
        load_codec(tmp_path / "c.yaml")
