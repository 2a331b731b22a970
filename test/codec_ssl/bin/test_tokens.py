"""The command line ``python -m codec_ssl.bin.tokens``, run as users run it."""

import json
import subprocess
import sys

import numpy as np
import pytest

from codec_ssl.bin import tokens
from codec_ssl.errors import TokenError
from codec_ssl.tokens.store import TokenStore, TokenStoreWriter

LENGTHS = {"a-1": 120, "a-2": 80, "b-1": 99}


def make(path, lengths=LENGTHS, sizes=(64, 64, 10), kind="codec", fingerprint="f00"):
    writer = TokenStoreWriter(
        path,
        utt_ids=list(lengths),
        sizes=sizes,
        frame_rate=50,
        sample_rate=16000,
        maker={"kind": kind, "name": "test", "fingerprint": fingerprint},
    )
    rng = np.random.default_rng(0)
    columns = {utt: [rng.integers(0, k, n) for k in sizes] for utt, n in lengths.items()}
    writer.write_shard(0, ((utt, np.stack(each, 1)) for utt, each in columns.items()))
    return writer.finalize()


@pytest.fixture
def store(tmp_path):
    return make(tmp_path / "a store")


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["tokens", *map(str, arguments)])
        tokens.main()
        return capsys.readouterr().out

    return call


def test_info_shows_what_made_the_store_and_how_its_codebooks_are_used(run, store):
    shown = run("info", store.path)
    for expected in (
        "kind codec",
        "utterances   3",
        "299 frames at 50",
        "bitrate      0.80 kbit/s",
    ):
        assert expected in shown
    assert len(shown.splitlines()[-3:]) == 3 and shown.splitlines()[-1].split()[:3] == [
        "2",
        "10",
        "4",
    ]


def test_info_speaks_json(run, store):
    shown = json.loads(run("info", store.path, "--json", "true"))
    assert shown["num_frames"] == 299
    assert shown["fingerprint"] == store.fingerprint
    assert [codebook["size"] for codebook in shown["codebooks"]] == [64, 64, 10]


def test_shapes_are_those_of_espnet(run, store, tmp_path):
    run("shapes", store.path, tmp_path / "codes_shape")
    assert (tmp_path / "codes_shape").read_text() == "a-1 120\na-2 80\nb-1 99\n"


def test_cat_prints_frames_with_commas(run, store):
    line = run("cat", store.path, "a-2")
    utt, *frames = line.split()
    assert utt == "a-2"
    assert [[int(code) for code in frame.split(",")] for frame in frames] == store["a-2"].tolist()
    assert len(run("cat", store.path).splitlines()) == 3


def test_check_reads_all_sets_and_says_so(run, store, tmp_path):
    valid = make(tmp_path / "valid", {"v": 70})
    labels = make(tmp_path / "labels", sizes=[50], kind="kmeans")
    valid_labels = make(tmp_path / "vl", {"v": 71}, sizes=[50], kind="kmeans")
    options = ["--labels", labels.path, "--valid", valid.path, "--valid_labels", valid_labels.path]
    shown = run("check", store.path, *options)
    assert shown.count("all checksums hold") == 4
    assert shown.count("same maker") == 2
    assert "usable: 3 utterances, 299 frames" in shown and "usable: 1 utterances, 70" in shown


def test_check_finds_labels_of_two_makers(run, store, tmp_path):
    valid = make(tmp_path / "valid", {"v": 70})
    labels = make(tmp_path / "labels", sizes=[50], kind="kmeans")
    other = make(tmp_path / "vl", {"v": 71}, sizes=[50], kind="kmeans", fingerprint="0dd")
    options = ["--labels", labels.path, "--valid", valid.path, "--valid_labels", other.path]
    with pytest.raises(TokenError, match="fingerprint of maker"):
        run("check", store.path, *options)


def test_check_wants_labels_beside_valid_labels(run, store):
    with pytest.raises(TokenError, match="--valid_labels: expected --labels"):
        run("check", store.path, "--valid_labels", store.path)


def test_without_checksums_check_reads_no_token(run, store):
    shard = store.path / "shard-00000.safetensors"
    content = shard.read_bytes()
    shard.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    run("check", store.path, "--checksums", "false")
    with pytest.raises(TokenError, match="shard-00000"):
        run("check", store.path)


def test_hubert_labels_come_in(run, tmp_path):
    (tmp_path / "km").write_text("a-1 12 12 45\na-2 499\n")
    options = ["--format", "text", "--codebook_size", 500, "--frame_rate", 50]
    out = tmp_path / "labels"
    shown = run("import", tmp_path / "km", out, *options, "--maker", "hubert_iter0_l6_k500")
    assert "2 utterances" in shown
    labels = TokenStore(out)
    assert labels["a-1"].tolist() == [[12], [12], [45]]
    assert labels.meta.maker["name"] == "hubert_iter0_l6_k500"
    assert labels.meta.maker["kind"] == "external" and labels.meta.sizes == [500]


def test_sets_imported_under_one_name_count_as_one_maker(run, tmp_path):
    (tmp_path / "km").write_text("a 1 2 3\n")
    options = ["--format", "text", "--codebook_size", "500", "--frame_rate", 50, "--maker"]
    for name, maker in (("train", "m1"), ("valid", "m1"), ("other", "m2")):
        run("import", tmp_path / "km", tmp_path / name, *options, maker)
    train, valid, other = (
        TokenStore(tmp_path / name).meta.maker["fingerprint"]
        for name in ("train", "valid", "other")
    )
    assert train == valid != other


def test_export_and_import_with_sizes_by_column(run, store, tmp_path):
    run("export", store.path, tmp_path / "out.npz", "--format", "npz")
    options = ["--format", "npz", "--codebook_size", "64,64,10", "--frame_rate", 50]
    run("import", tmp_path / "out.npz", tmp_path / "again", *options, "--maker", "m")
    again = TokenStore(tmp_path / "again")
    assert all((again[utt] == store[utt]).all() for utt in store)


def test_codebook_sizes_must_be_numbers(run, tmp_path):
    options = ["--format", "text", "--codebook_size", "1k", "--frame_rate", 50, "--maker", "m"]
    with pytest.raises(TokenError, match="--codebook_size: expected numbers, found 1k"):
        run("import", tmp_path / "x", tmp_path / "y", *options)


def test_a_user_error_is_one_line_and_exit_code_1(tmp_path):
    command = [sys.executable, "-m", "codec_ssl.bin.tokens", "info", str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert "rerun stage 'tokens'" in done.stderr


def test_combine_makes_one_store_of_several(run, store, tmp_path):
    other = make(tmp_path / "other", {"c-1": 7, "c-2": 9})
    (store.path / "codebook.safetensors").write_bytes(b"vectors")
    assert "5 utterances" in run("combine", tmp_path / "all", store.path, other.path)
    # Else embeddings of several sets could not begin as the codec's.
    assert (tmp_path / "all" / "codebook.safetensors").read_bytes() == b"vectors"
    found = TokenStore(tmp_path / "all")
    found.verify()
    assert found.utt_ids == [*LENGTHS, "c-1", "c-2"]
    assert found.meta.maker == store.meta.maker
    for source in (store, other):
        for utt, codes in source.items():
            np.testing.assert_array_equal(found[utt], codes)


def test_combine_refuses_other_makers_and_the_same_utterance_twice(run, store, tmp_path):
    foreign = make(tmp_path / "foreign", {"c-1": 7}, fingerprint="f01")
    with pytest.raises(TokenError, match=r"foreign: fingerprint of maker: expected"):
        run("combine", tmp_path / "all", store.path, foreign.path)
    again = make(tmp_path / "again", {"c-1": 7, "b-1": 9})
    with pytest.raises(TokenError, match=r"again: expected other utterances .* found b-1 in both"):
        run("combine", tmp_path / "all", store.path, again.path)


def test_import_records_encoder_and_layer(run, store, tmp_path):
    run("export", store.path, tmp_path / "t", "--format", "text")
    options = ["--format", "text", "--codebook_size", "64,64,10", "--frame_rate", 50]
    options += ["--maker", "repcodec"]
    run("import", tmp_path / "t", tmp_path / "plain", *options)
    run("import", tmp_path / "t", tmp_path / "told", *options, "--encoder", "hubert", "--layer", 9)
    plain, told = (TokenStore(tmp_path / name).meta.maker for name in ("plain", "told"))
    assert told["encoder"] == "hubert" and told["layer"] == 9
    assert "encoder" not in plain and plain["fingerprint"] != told["fingerprint"]
