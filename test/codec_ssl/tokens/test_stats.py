"""Statistics against closed forms."""

import math

import numpy as np
import pytest
from write_store import open_writer

from codec_ssl.errors import TokenError
from codec_ssl.tokens import histogram
from codec_ssl.tokens.stats import store_stats


def test_uniform_tokens_have_the_logarithm_of_their_number_as_entropy():
    counts = np.array([5, 5, 0, 5, 5, 0, 0, 0])
    assert histogram.entropy(counts) == pytest.approx(2)
    assert histogram.perplexity(counts) == pytest.approx(4)
    assert histogram.usage(counts) == 0.5
    assert histogram.top_share(counts) == 0.25


def test_a_geometric_distribution_has_its_known_entropy():
    counts = 2 ** np.arange(20, -1, -1)
    assert histogram.entropy(counts) == pytest.approx(2, abs=1e-4)


def test_an_empty_histogram_says_zero():
    empty = np.zeros(4, dtype=np.int64)
    assert histogram.entropy(empty) == histogram.top_share(empty) == histogram.usage(empty) == 0


def test_tokens_beyond_the_codebook_are_refused():
    with pytest.raises(TokenError, match="codebook 1: expected codes from 0 to 2, found 3"):
        histogram.count(np.array([[0, 3]]), [4, 3])


@pytest.mark.parametrize(("size", "nominal"), [(1024, 6.40), (1000, 6.38)])
def test_bitrates_of_codec_asrs_codecs_are_the_papers(tmp_path, size, nominal):
    writer = open_writer(tmp_path, utt_ids=["a"], sizes=[size] * 8, frame_rate=80.0)
    writer.write_shard(0, [("a", np.arange(400)[:, None] + np.zeros(8, dtype=int))])
    stats = store_stats(writer.finalize())
    assert round(stats.nominal_bitrate, 2) == nominal
    assert stats.bitrate == pytest.approx(6.4)
    assert stats.payload_bytes == 400 * 10


def test_store_statistics_equal_the_closed_forms(tmp_path):
    lengths = {"a": 50, "b": 150, "c": 100}
    writer = open_writer(tmp_path, utt_ids=[*lengths, "bad"], sizes=[1024] * 12)
    fine = np.arange(150)[:, None] % 50 + np.zeros(12, dtype=int)
    writer.write_shard(0, ((utt, fine[:frames]) for utt, frames in lengths.items()), {"bad": "x"})
    stats = store_stats(writer.finalize())
    assert (stats.num_utterances, stats.num_skipped, stats.num_frames) == (3, 1, 300)
    assert stats.hours == pytest.approx(6 / 3600)
    assert (stats.min_seconds, stats.mean_seconds, stats.max_seconds) == (1, 2, 3)
    assert stats.bitrate == pytest.approx(6)  # DAC at 16 kHz: 12 codebooks, 50 Hz, 6 kbit/s
    assert stats.entropy_bitrate == pytest.approx(12 * math.log2(50) * 0.05)
    assert stats.payload_bytes == 300 * 15
    assert stats.total_bytes == sum(file.stat().st_size for file in tmp_path.iterdir())
    assert [row["codebook"] for row in stats.rows()] == list(range(12))
    for row in stats.rows():
        assert row["usage"] == 50 / 1024
        assert row["perplexity"] == pytest.approx(50)
        assert row["top_share"] == pytest.approx(1 / 50)
