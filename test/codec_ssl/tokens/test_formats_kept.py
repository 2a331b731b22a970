"""What an earlier release wrote stays readable, and the bytes on disk don't drift unnoticed."""

import json
from pathlib import Path

import numpy as np
import pytest
from write_store import contents

from codec_ssl.errors import TokenError
from codec_ssl.tokens.store import TokenStore, TokenStoreWriter

FORMAT_1 = Path(__file__).parent / "format_1"
CODES = {
    "1034-121119-0000": [[0, 0], [6, 499], [3, 256], [5, 77]],
    "1034-121119-0002": [[1, 2]],
    "é": [[4, 300], [2, 1]],
}
SKIPPED = {"1034-121119-0001": "truncated"}


def write(path):
    writer = TokenStoreWriter(
        path,
        utt_ids=["1034-121119-0000", "1034-121119-0001", "1034-121119-0002", "é"],
        sizes=[7, 500],
        frame_rate=50,
        sample_rate=16000,
        maker={"kind": "codec", "name": "tiny", "fingerprint": "c0de", "layer": None},
        shard_utterances=3,
        extras={"note": "kept as it was written"},
    )
    for shard in writer.pending():
        items = ((u, np.array(CODES[u])) for u in writer.shard_utt_ids(shard) if u in CODES)
        writer.write_shard(shard, items, SKIPPED)
    return writer.finalize()


def test_a_store_of_format_1_loads():
    store = TokenStore(FORMAT_1)
    store.verify()
    assert {utt: codes.tolist() for utt, codes in store.items()} == CODES
    assert store.skipped() == SKIPPED
    assert store.meta.maker["name"] == "tiny"
    assert store.meta.extras == {"note": "kept as it was written"}
    assert store.fingerprint.startswith("1722da96c9f0")


def test_the_same_codes_are_still_written_as_the_same_bytes(tmp_path):
    write(tmp_path)
    assert contents(tmp_path) == contents(FORMAT_1)


def test_a_newer_format_is_refused_with_what_to_do(tmp_path):
    write(tmp_path)
    meta = tmp_path / "meta.json"
    meta.write_text(json.dumps(json.loads(meta.read_text()) | {"format": 2}))
    message = "written in format 2 by a newer codec_ssl, this one reads up to format 1: update"
    with pytest.raises(TokenError, match=message):
        TokenStore(tmp_path)


def test_shards_of_a_newer_format_are_neither_read_nor_overwritten(tmp_path):
    write(tmp_path)
    shard = tmp_path / "shard-00000.safetensors"
    shard.write_bytes(shard.read_bytes().replace(rb"\"format\":1", rb"\"format\":2"))
    with pytest.raises(TokenError, match=r"shard-00000.safetensors: written in format 2"):
        TokenStore(tmp_path)["1034-121119-0000"]
    with pytest.raises(TokenError, match=r"shard-00000.safetensors: written in format 2"):
        write(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "cannot be read"), ("{}", "expected a format version"), ('{"format": 1}', "entries")],
)
def test_a_broken_meta_file_is_refused(tmp_path, content, message):
    write(tmp_path)
    (tmp_path / "meta.json").write_text(content)
    with pytest.raises(TokenError, match=message):
        TokenStore(tmp_path)
