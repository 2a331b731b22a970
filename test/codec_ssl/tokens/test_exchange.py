"""Tokens go to other formats and back unchanged; what others wrote is read."""

import lzma
from pathlib import Path

import kaldiio
import numpy as np
import pytest

from codec_ssl.errors import TokenError
from codec_ssl.tokens import exchange
from codec_ssl.tokens.kaldi_ark import write_ark
from codec_ssl.tokens.store import TokenStore

REAL = Path(__file__).parents[4] / "shared/data/repcodec_tokens/tokens.tsv.xz"


def take(path, form, store, sizes=(1024,), shard_utterances=10, **options):
    return exchange.import_tokens(
        exchange.open_source(path, form, **options),
        store,
        codebook_size=sizes,
        frame_rate=50,
        sample_rate=16000,
        maker={"kind": "external", "name": "test", "fingerprint": "1"},
        shard_utterances=shard_utterances,
    )


def assert_same(store, expected):
    assert sorted(store.utt_ids) == sorted(expected)
    for utt, codes in expected.items():
        np.testing.assert_array_equal(store[utt], codes)


@pytest.mark.parametrize(
    ("form", "written", "read"),
    [
        ("text", "out.txt", "out.txt"),
        ("npz", "out.npz", "out.npz"),
        ("npz", "out", "out"),
        ("ark", "out", "out.ark"),
        ("ark", "out", "out.scp"),
    ],
)
def test_several_codebooks_survive_export_and_import(
    reference_store, tmp_path, form, written, read
):
    store = TokenStore(reference_store)
    exchange.export_tokens(store, tmp_path / written, form)
    found = take(tmp_path / read, form, tmp_path / "store", store.meta.sizes)
    assert_same(found, store)
    assert found.utt_ids == (sorted(store) if read == "out" else store.utt_ids)


@pytest.mark.parametrize(
    ("form", "read"), [("text", "out"), ("tokens", "out"), ("npz", "out"), ("ark", "out.ark")]
)
def test_one_codebook_survives_export_and_import(tmp_path, form, read):
    labels = {f"u{i}": np.arange(i + 1)[:, None] * 7 % 500 for i in range(25)}
    lines = (f"{utt} {' '.join(map(str, column[:, 0]))}\n" for utt, column in labels.items())
    (tmp_path / "labels").write_text("".join(lines))
    store = take(tmp_path / "labels", "text", tmp_path / "store", [500])
    assert_same(store, labels)
    exchange.export_tokens(store, tmp_path / "out", form)
    assert_same(take(tmp_path / read, form, tmp_path / "again", [500]), labels)


def test_text_is_what_kaldi_would_show(tmp_path, reference_store):
    assert exchange.format_codes(np.array([[12], [45]])) == "12 45"
    assert exchange.format_codes(np.array([[12, 7], [45, 0]])) == "12,7 45,0"


def test_labels_in_fairseq_files_take_their_ids_from_a_kaldi_table(tmp_path):
    (tmp_path / "train.km").write_text("12 12 45\n7\n")
    (tmp_path / "wav.scp").write_text("b /b.wav\na /a.wav\n")
    options = {"utt_ids": tmp_path / "wav.scp"}
    store = take(tmp_path / "train.km", "tokens", tmp_path / "store", [500], **options)
    assert store["b"].tolist() == [[12], [12], [45]] and store["a"].tolist() == [[7]]


@pytest.mark.parametrize(("lines", "found"), [("1 2\n", 1), ("1\n2\n3\n", 3), ("", 0)])
def test_a_wrong_number_of_lines_for_the_ids_is_refused(tmp_path, lines, found):
    (tmp_path / "t.tokens").write_text(lines)
    (tmp_path / "t.tokens.utt_ids").write_text("a\nb\n")
    with pytest.raises(TokenError, match=f"each of 2 ids, found {found}"):
        take(tmp_path / "t.tokens", "tokens", tmp_path / "store")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a 1 2x 3", "in:1: expected whole numbers"),
        ("a 1,2 3", "in:1: expected 2 codes in each frame"),
        ("a 1 2.0", "expected whole numbers"),
        ("a 1 1024", "'a': codebook 0: expected codes from 0 to 1023, found 1024"),
        ("a 1 -1", "found -1"),
        ("a", "'a': expected frames, found none"),
        ("a 1\na 2", "each utterance once"),
    ],
)
def test_malformed_text_is_refused_with_its_line_or_utterance(tmp_path, line, message):
    (tmp_path / "in").write_text(line + "\n")
    with pytest.raises(TokenError, match=message):
        take(tmp_path / "in", "text", tmp_path / "store")


def test_files_of_kaldiio_itself_are_read(tmp_path):
    kaldiio.save_ark(str(tmp_path / "x.ark"), {"a": np.array([3, 1, 2], dtype=np.int32)})
    assert take(tmp_path / "x.ark", "ark", tmp_path / "store")["a"].tolist() == [[3], [1], [2]]


def test_text_arks_hold_the_same_codes(tmp_path):
    codes = {"a": np.array([[3, 1], [65535, 2]]), "b": np.array([[0, 9]])}
    write_ark(tmp_path / "a, b", codes.items(), text=True)
    assert_same(take(tmp_path / "a, b.scp", "ark", tmp_path / "store", [65536]), codes)


@pytest.mark.parametrize("form", exchange.FORMATS)
def test_missing_files_are_refused(tmp_path, form):
    with pytest.raises(TokenError, match="cannot be read"):
        take(tmp_path / "nothing", form, tmp_path / "store")


def test_arrays_that_are_no_tokens_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.zeros((3, 2)))
    with pytest.raises(TokenError, match="a: expected integers"):
        take(tmp_path / "x.npz", "npz", tmp_path / "store")


def test_several_codebooks_do_not_fit_the_tokens_format(reference_store, tmp_path):
    with pytest.raises(TokenError, match="expected one codebook"):
        exchange.export_tokens(TokenStore(reference_store), tmp_path / "x", "tokens")


def test_an_import_goes_on_where_it_was_stopped(tmp_path):
    (tmp_path / "in").write_text("".join(f"u{i} {i}\n" for i in range(25)))
    take(tmp_path / "in", "text", tmp_path / "whole")
    store = take(tmp_path / "in", "text", tmp_path / "store")
    (store.path / "meta.json").unlink()
    (store.path / "shard-00001.safetensors").unlink()
    take(tmp_path / "in", "text", tmp_path / "store")
    for file in (tmp_path / "whole").iterdir():
        assert (tmp_path / "store" / file.name).read_bytes() == file.read_bytes()


@pytest.mark.skipif(not REAL.is_file(), reason="published tokens are not here")
def test_published_repcodec_tokens_pack_to_ten_bits(tmp_path):
    with lzma.open(REAL, "rt") as file:
        rows = [line.rstrip("\n").split("\t") for line in file][1:]
    text = "".join(f"{row[0]} {row[3]}\n" for row in rows)
    (tmp_path / "in").write_text(text)
    store = take(tmp_path / "in", "text", tmp_path / "store", shard_utterances=1000)
    assert len(store) == 1965
    payload = sum(len(store.packed(utt)) for utt in store)
    assert payload == sum(-(-10 * frames // 8) for frames in store.lengths.tolist())
    exchange.export_tokens(store, tmp_path / "out", "text")
    assert (tmp_path / "out").read_text() == text
