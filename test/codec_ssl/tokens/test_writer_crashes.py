"""Killed, starved of disk space, or split over jobs: the store is the same, or not there."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import write_store
from processes import wait_for
from write_store import contents, open_writer, write_job

from codec_ssl.errors import TokenError
from codec_ssl.tokens.store import TokenStore

SHARD_BYTES = 2500


def start(store, job=1, num_jobs=1, pause=0.0, most_bytes=0, action="error"):
    arguments = [store, job, num_jobs, pause, most_bytes, action]
    return subprocess.Popen(
        [sys.executable, write_store.__file__, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONHASHSEED": str(random.randrange(1000))},
    )


@pytest.mark.slow
def test_killed_at_random_points_and_rerun_the_store_is_byte_identical(tmp_path, reference_store):
    """Each run goes on where the last one was killed: whole shards are never written twice."""
    dice = random.Random(0)
    store = tmp_path / "store"
    times = {}
    for _ in range(4):
        process = start(store, pause=0.06)
        wait_for(lambda known=times: known.keys() < set(store.glob("shard-*")))
        time.sleep(dice.uniform(0.0, 0.5))  # a shard of 8 utterances takes as long
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert not (store / "meta.json").exists()
        found = {file: file.stat().st_mtime_ns for file in store.glob("shard-*")}
        assert times.items() <= found.items()
        times = found
    assert len(times) >= 4
    assert start(store).wait() == 0
    assert contents(store) == contents(reference_store)


@pytest.mark.parametrize("most_bytes", [1, SHARD_BYTES // 2])
def test_killed_inside_the_write_of_a_shard_nothing_of_it_is_accepted(
    tmp_path, reference_store, most_bytes
):
    """The kernel kills the process in the middle of write(2), after that many bytes."""
    store = tmp_path / "store"
    process = start(store, most_bytes=most_bytes, action="kill")
    process.communicate()
    assert process.returncode == -signal.SIGXFSZ
    left = list(store.iterdir())
    assert len(left) == 1 and left[0].suffix == ".tmp" and left[0].stat().st_size == most_bytes
    writer = open_writer(store)
    assert writer.pending() == list(range(writer.num_shards))
    write_job(writer, 1, 1)
    writer.finalize()
    assert contents(store) == contents(reference_store)


def test_killed_between_index_and_meta_the_store_is_unfinished(
    tmp_path, reference_store, monkeypatch
):
    store = tmp_path / "store"
    writer = open_writer(store)
    write_job(writer, 1, 1)
    writer.finalize()
    with monkeypatch.context() as patch:
        patch.setattr("codec_ssl.tokens.writer.write_file", _die)
        with pytest.raises(KeyboardInterrupt):
            writer.finalize()
    with pytest.raises(TokenError, match="found 12 of 12 shards"):
        TokenStore(store)
    writer.finalize()
    assert contents(store) == contents(reference_store)


def _die(*_):
    raise KeyboardInterrupt


def test_disk_full_is_a_clear_error_and_leaves_nothing_behind(tmp_path, reference_store):
    store = tmp_path / "store"
    process = start(store, most_bytes=SHARD_BYTES)
    message = process.communicate()[1]
    assert process.returncode == 1
    assert "could not be written: File too large; nothing of this file was kept" in message
    files = contents(store)
    assert all(len(content) <= SHARD_BYTES for content in files.values())
    assert not any(name.endswith(".tmp") for name in files)
    assert start(store).wait() == 0
    assert contents(store) == contents(reference_store)


@pytest.mark.parametrize("num_jobs", [4, 7, 100])
def test_the_store_does_not_depend_on_the_number_of_jobs(tmp_path, reference_store, num_jobs):
    for job in reversed(range(1, num_jobs + 1)):
        writer = open_writer(tmp_path)
        write_job(writer, job, num_jobs)
    writer.finalize()
    assert contents(tmp_path) == contents(reference_store)


def test_jobs_that_run_at_once_give_the_same_store(tmp_path, reference_store):
    store = Path(tmp_path / "store")
    jobs = [start(store, job, 3) for job in (1, 2, 3)]
    assert [job.wait() for job in jobs] == [0, 0, 0]
    open_writer(store).finalize()
    assert contents(store) == contents(reference_store)
