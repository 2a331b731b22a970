"""Each way in which tokens and a training may not fit stops with the stage that mends it."""

import json

import numpy as np
import pytest
from write_store import open_writer

from codec_ssl.errors import CheckpointError, TokenError
from codec_ssl.tokens import contract
from codec_ssl.tokens.store import TokenStore

CODEC = {"kind": "codec", "name": "dac_16k", "fingerprint": "c0de"}
KMEANS = {"kind": "kmeans", "name": "l9_k500", "fingerprint": "5eed", "layer": 9}
UTTS = [f"u{i:02d}" for i in range(12)]
LENGTHS = {utt: 40 + i for i, utt in enumerate(UTTS)}


def make(path, lengths, *, sizes=(500,), maker=KMEANS, skipped=None, fill=None, frame_rate=50):
    planned = [*lengths, *(skipped or {})]
    options = {"sizes": sizes, "maker": maker, "frame_rate": frame_rate}
    writer = open_writer(path, utt_ids=planned, **options)
    rng = np.random.default_rng(7)
    for shard in writer.pending():
        utts = [utt for utt in writer.shard_utt_ids(shard) if utt in lengths]
        items = [(u, np.stack([rng.integers(0, k, lengths[u]) for k in sizes], 1)) for u in utts]
        if fill is not None:
            items = [(utt, fill(codes)) for utt, codes in items]
        writer.write_shard(shard, items, skipped)
    return writer.finalize()


@pytest.fixture
def codes(tmp_path):
    return make(tmp_path / "codes", LENGTHS, sizes=[1024] * 4, maker=CODEC)


def test_fitting_codes_and_labels_pass_and_are_counted(codes, tmp_path):
    lengths = LENGTHS | {"u03": LENGTHS["u03"] + 1, "u05": LENGTHS["u05"] - 1}
    report = contract.check(codes, make(tmp_path / "labels", lengths))
    assert report.num_utterances == len(UTTS)
    assert report.num_cropped == 2
    assert report.num_frames == sum(min(LENGTHS[utt], lengths[utt]) for utt in UTTS)
    assert report.notes == ()
    text = "\n".join(report.lines())
    assert "dac_16k" in text and "l9_k500" in text and f"{report.num_frames} frames" in text


def test_labels_in_another_order_are_matched_by_id(codes, tmp_path):
    labels = make(tmp_path / "labels", dict(reversed(LENGTHS.items())))
    assert contract.check(codes, labels).num_cropped == 0


def test_utterances_without_labels_are_named_at_most_five_with_the_reason(codes, tmp_path):
    lengths = {utt: LENGTHS[utt] for utt in UTTS[7:]} | {"x": 9}
    labels = make(tmp_path / "labels", lengths, skipped={"u00": "empty"})
    expected = (
        r"found none for u00 \(skipped: empty\), u01, u02, u03, u04 and 2 more "
        r"\(7 of 12; 1 labels without codes\).*rerun stage 'labels'"
    )
    with pytest.raises(TokenError, match=expected):
        contract.check(codes, labels)


def test_labels_of_a_larger_set_serve_a_subset_and_are_noted(codes, tmp_path):
    labels = make(tmp_path / "labels", LENGTHS | {f"x{i}": 9 for i in range(7)})
    (note,) = contract.check(codes, labels).notes
    assert "7 utterances more than codes, not used: x0, x1, x2, x3, x4 and 2 more" in note


def test_lengths_that_differ_by_more_than_a_frame_are_refused(codes, tmp_path):
    labels = make(tmp_path / "labels", LENGTHS | {"u03": 41, "u04": 42})
    expected = (
        "within 1 of .*found others for u03, u04: the first has 43 codes and 41 labels.*labels"
    )
    with pytest.raises(TokenError, match=expected):
        contract.check(codes, labels)
    assert contract.check(codes, labels, max_length_gap=2).num_cropped == 2


def test_labels_of_another_frame_rate_are_refused(codes, tmp_path):
    labels = make(tmp_path / "labels", LENGTHS, frame_rate=100)
    with pytest.raises(TokenError, match=r"expected 50 frames a second .*found 100 .*'labels'"):
        contract.check(codes, labels)


def all_but(share):
    """Frames of which about ``share`` are the unknown token 3."""
    return lambda codes: np.where(np.arange(len(codes))[:, None] < share * len(codes), 3, codes)


@pytest.mark.parametrize(
    ("fill", "found"),
    [
        (all_but(1), r"token 3 has 100.0% of all frames, perplexity 1.00 of 500"),
        (all_but(0.97), "token 3 has 9"),
        (lambda codes: np.where(codes < 60, 1, 0), "perplexity 1.4"),
    ],
)
def test_degenerate_labels_are_refused(codes, tmp_path, fill, found):
    labels = make(tmp_path / "labels", LENGTHS, fill=fill)
    with pytest.raises(TokenError, match=f"varied tokens, found codebook 0: .*{found}.*'labels'"):
        contract.check(codes, labels)


def test_two_balanced_labels_are_not_degenerate(codes, tmp_path):
    contract.check(codes, make(tmp_path / "labels", LENGTHS, sizes=[2]))


def test_one_dead_codebook_is_noted_and_all_dead_is_an_error(tmp_path):
    def last_dead(codes):
        return np.concatenate([codes[:, :-1], 0 * codes[:, -1:]], axis=1)

    options = {"sizes": [64, 64], "maker": CODEC}
    (note,) = contract.check(make(tmp_path / "one", LENGTHS, fill=last_dead, **options)).notes
    assert "codebook 1: token 0 has 100.0%" in note
    silent = make(tmp_path / "all", LENGTHS, fill=lambda codes: 0 * codes, **options)
    with pytest.raises(TokenError, match=r"expected varied tokens.*rerun stage 'tokens'"):
        contract.check(silent)


def test_skipped_utterances_are_noted(tmp_path):
    skipped = {"bad1": "truncated", "bad2": "empty", "bad3": "empty"}
    report = contract.check(make(tmp_path / "s", LENGTHS, skipped=skipped))
    assert "2 empty, 1 truncated" in report.notes[0]


def test_a_missing_shard_stops_the_check(codes):
    (codes.path / "shard-00001.safetensors").unlink()
    with pytest.raises(TokenError, match=r"shard-00001.safetensors: expected .*'tokens'"):
        contract.check(codes)


def test_counts_that_do_not_fit_the_index_are_refused(codes):
    content = json.loads(codes.meta_path.read_text())
    content["histogram"][2][0] += 1
    codes.meta_path.write_text(json.dumps(content))
    with pytest.raises(TokenError, match="found a histogram"):
        contract.check(TokenStore(codes.path))
    with pytest.raises(TokenError, match=r"expected the histogram of meta.json"):
        TokenStore(codes.path).verify()


def test_codes_of_another_maker_than_expected_are_refused(codes):
    contract.check(codes, expect_maker={"fingerprint": "c0de"})
    with pytest.raises(TokenError, match=r"maker has fingerprint 'beef', found 'c0de'.*'tokens'"):
        contract.check(codes, expect_maker={"fingerprint": "beef"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"maker": KMEANS | {"fingerprint": "0dd"}}, "fingerprint of maker: .*'5eed', found '0dd'"),
        ({"maker": KMEANS | {"kind": "vq"}}, "kind of maker"),
        ({"sizes": [501]}, "codebook sizes"),
        ({"frame_rate": 100}, "frame rate"),
    ],
)
def test_valid_labelled_by_another_model_than_train_is_refused(tmp_path, changes, message):
    train = make(tmp_path / "train", LENGTHS)
    contract.check_pair(train, make(tmp_path / "valid", {"v": 30}))
    with pytest.raises(TokenError, match=f"{message}.*rerun stage 'labels'"):
        contract.check_pair(train, make(tmp_path / "other", {"v": 30}, **changes))


def test_a_checkpoint_accepts_its_own_data_only(codes, tmp_path):
    recorded = json.loads(json.dumps(contract.record(codes)))
    contract.check_checkpoint(codes, recorded)
    other = make(tmp_path / "other", {"v": 30}, sizes=[1024] * 4, maker=CODEC)
    with pytest.raises(CheckpointError, match="made again from other data"):
        contract.check_checkpoint(other, recorded)
    contract.check_checkpoint(other, recorded, same_data=False)


def test_a_checkpoint_refuses_tokens_of_another_codec(codes, tmp_path):
    recorded = contract.record(codes)
    maker = CODEC | {"fingerprint": "beef"}
    other = make(tmp_path / "other", LENGTHS, sizes=[1024] * 4, maker=maker)
    with pytest.raises(CheckpointError, match=r"trained with 'c0de', found 'beef'.*'tokens'"):
        contract.check_checkpoint(other, recorded, same_data=False)
    with pytest.raises(CheckpointError, match=r"tell \['maker'\]"):
        contract.check_checkpoint(codes, {k: v for k, v in recorded.items() if k != "maker"})
