"""Writes one job of a store in a process of its own, which tests kill or starve of disk space.

Arguments: store, job, number of jobs, pause in seconds before each utterance, most bytes a file
may have (0: no limit), what happens at the limit: "error" or "kill".
"""

import resource
import signal
import sys
import time
from pathlib import Path

import numpy as np

from codec_ssl.tokens.store import TokenStoreWriter

UTT_IDS = [f"{100 + i // 7}-{i:04d}" for i in range(90)]
SIZES = [1024, 500, 3]
SKIPPED = {UTT_IDS[5]: "truncated", UTT_IDS[40]: "empty", UTT_IDS[41]: "truncated"}


def codes_of(utt_id):
    rng = np.random.default_rng(UTT_IDS.index(utt_id))
    frames = int(rng.integers(1, 300))
    return np.stack([rng.integers(0, size, frames) for size in SIZES], axis=1)


def open_writer(path, **changes):
    options = {
        "utt_ids": UTT_IDS,
        "sizes": SIZES,
        "frame_rate": 50,
        "sample_rate": 16000,
        "maker": {"kind": "codec", "name": "test", "fingerprint": "f00"},
        "shard_utterances": 8,
    }
    return TokenStoreWriter(path, **(options | changes))


def write_job(writer, job, num_jobs, pause=0.0):
    for shard in writer.pending(job, num_jobs):
        wanted = [utt for utt in writer.shard_utt_ids(shard) if utt not in SKIPPED]
        # Any order will do: extraction sorts by length.
        items = ((utt, codes_of(utt)) for utt in reversed(wanted) if time.sleep(pause) is None)
        writer.write_shard(shard, items, SKIPPED)


def contents(path):
    return {file.name: file.read_bytes() for file in sorted(Path(path).iterdir())}


if __name__ == "__main__":
    store, job, num_jobs, pause, most_bytes, action = sys.argv[1:]
    if int(most_bytes):
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL if action == "kill" else signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(most_bytes), int(most_bytes)))
    opened = open_writer(store)
    write_job(opened, int(job), int(num_jobs), float(pause))
    if num_jobs == "1":
        opened.finalize()
