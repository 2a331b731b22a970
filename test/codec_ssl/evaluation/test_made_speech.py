"""What results say of speech made of units."""

import numpy as np
import pytest

from codec_ssl.errors import ConfigError
from codec_ssl.evaluation.made_speech import describe_speech
from codec_ssl.tokens.store import TokenStoreWriter


def make_store(path, maker, sizes):
    writer = TokenStoreWriter(
        path, utt_ids=["a"], sizes=sizes, frame_rate=50.0, sample_rate=16000, maker=maker
    )
    for shard in writer.pending():
        writer.write_shard(shard, [("a", np.zeros((9, len(sizes)), np.int64))])
    writer.finalize()
    return path


@pytest.fixture(scope="module")
def units(tmp_path_factory):
    maker = {"kind": "repcodec", "name": "repcodec", "fingerprint": "f", "layer": 18}
    maker["encoder"] = "hubert_large"
    return make_store(tmp_path_factory.mktemp("u") / "units", maker, [1024])


@pytest.fixture(scope="module")
def codes(tmp_path_factory):
    maker = {"kind": "codec", "name": "encodec", "fingerprint": "f"}
    return make_store(tmp_path_factory.mktemp("c") / "codes", maker, [1024, 500, 16])


def test_units_are_called_as_in_other_tables_and_have_their_bitrate(units, codes):
    assert describe_speech("conversion", units) == {
        "speech": "conversion",
        "features": "hubert_large_l18",
        "tokenizer": "repcodec",
        "sizes": "1024",
        "kbps": 0.5,
    }
    told = describe_speech("resynthesis", codes, 2)
    assert told["features"] == told["tokenizer"] == "encodec" and told["sizes"] == "1024x500"
    assert told["kbps"] == pytest.approx((10 + 8.96578) * 50 / 1000, abs=1e-4)


def test_other_scores_say_nothing_of_it(units):
    assert describe_speech(None, None) == {}
    assert describe_speech("resynthesis", None) == {"speech": "resynthesis"}
    with pytest.raises(ConfigError, match="--units: expected --speech"):
        describe_speech(None, units)


def test_codebooks_that_are_not_there_are_refused(codes):
    with pytest.raises(ConfigError, match="expected 4 codebooks at least, found 3"):
        describe_speech("resynthesis", codes, 4)
