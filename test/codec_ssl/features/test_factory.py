"""Encoders by name: a model meets only codes of the kind that it was trained on."""

import pytest
import torch
import toy_corpus

from codec_ssl.errors import CheckpointError
from codec_ssl.features.factory import make_encoder


def test_codes_of_another_codec_are_refused_with_both_makers(tmp_path):
    codes = {f"u{n}": torch.randint(32, (20 + n, 2)).numpy() for n in range(3)}
    store = toy_corpus.write_store(tmp_path / "store", codes)
    other = {**toy_corpus.MAKER, "name": "other", "fingerprint": "of other"}
    foreign = toy_corpus.write_store(tmp_path / "foreign", codes, maker=other)
    toy_corpus.make_exp(tmp_path / "exp", tmp_path / "store")
    exp = str(tmp_path / "exp")
    assert make_encoder(exp, store, "cpu").frame_rate == store.meta.frame_rate
    for seed in (None, 0):
        with pytest.raises(CheckpointError, match=r"toy.*other"):
            make_encoder(exp, foreign, "cpu", untrained_seed=seed)


def test_a_config_that_does_not_tell_its_codes_is_refused(tmp_path):
    codes = {"u": torch.randint(32, (20, 2)).numpy()}
    store = toy_corpus.write_store(tmp_path / "store", codes)
    toy_corpus.make_exp(tmp_path / "exp", tmp_path / "store")
    config = tmp_path / "exp" / "config.yaml"
    config.write_text(config.read_text().replace("data_record", "data_notes"))
    with pytest.raises(CheckpointError, match="data_record"):
        make_encoder(str(tmp_path / "exp"), store, "cpu")
