"""Token stores of a data dir's log-mel frames: real units in seconds, without a model.

Arguments: data dirs, token stores to write (``DIR/<set>``), sets, the first of which is fitted on.
"""

import sys
from pathlib import Path

import numpy as np

from codec_ssl.data.audio import read_audio
from codec_ssl.data.data_dir import DataDir
from codec_ssl.features.baselines import LogMel
from codec_ssl.tokenizers.kmeans import KMeans, KMeansOptions
from codec_ssl.tokenizers.labels import extract_labels, fit_tokenizer
from codec_ssl.tokens.store import TokenStoreWriter

HOP, RATE = 320, 16000


def frame_counts(data_dir, path):
    """A store of one unit that only says how long each utterance is."""
    utt_ids = data_dir.utt_ids
    writer = TokenStoreWriter(
        path,
        utt_ids=utt_ids,
        sizes=[2],
        frame_rate=RATE / HOP,
        sample_rate=RATE,
        maker={"kind": "codec", "name": "lengths", "fingerprint": "lengths"},
    )
    for shard in writer.pending():
        counts = {
            utt: max(1, len(read_audio(data_dir.source(utt), RATE)[0]) // HOP)
            for utt in writer.shard_utt_ids(shard)
        }
        writer.write_shard(shard, [(u, np.zeros((n, 1), np.int64)) for u, n in counts.items()])
    return writer.finalize()


def make(data, out, sets, clusters=64):
    """Write ``out/<set>`` for each data dir ``data/<set>``."""
    tokenizer = KMeans(KMeansOptions(num_clusters=clusters))
    for name in sets:
        data_dir = DataDir(data / name)
        store = frame_counts(data_dir, out / "lengths" / name)
        encoder = LogMel(RATE, RATE / HOP)
        if name == sets[0]:
            fit_tokenizer(tokenizer, encoder, store, 0, data_dir=data_dir)
        extract_labels(tokenizer, encoder, store, out / name, data_dir=data_dir, finalize=True)


if __name__ == "__main__":
    make(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
