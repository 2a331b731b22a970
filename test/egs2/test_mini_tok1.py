"""egs2/mini/tok1 end to end at its smallest size, then egs2/mini/asr2 on its units."""

from pathlib import Path

import pytest
from recipes import TOK1, finish_recipe

from codec_ssl.report.results import find_results
from codec_ssl.tokens.store import TokenStore

FEATURES = "r0_reconstruction_l2"
TOKENIZERS = ("kmeans", "vq", "repcodec")

pytestmark = [pytest.mark.recipe, pytest.mark.timeout(2400)]


def test_a_run_ends_in_one_table_of_all_tokenizers_and_a_plot_over_training(mini_tok1: Path):
    exp = mini_tok1 / "exp" / FEATURES
    [(_, scored)] = find_results([exp / "quality"])
    names = {*TOKENIZERS, "vq@1", "repcodec@1"}
    values: dict[str, dict[str, float]] = {name: {} for name in names}
    for result in scored.results:
        values[result.scored["tokenizer"]][result.metric] = result.value
        assert result.scored["features"] == FEATURES
        assert result.scored["set"] == "test"
    for found in values.values():
        assert 0 < found["reconstruction_loss"] < 2
        assert 0 <= found["pnmi_1"] <= found["pnmi_2"] <= 1
        assert found["bitrate"] == pytest.approx(5 * found["tokens_per_second"] / 1000)
        assert 0 <= found["abx_within"] <= 1
    # Training helps: fewer epochs keep less of the features.
    for name in ("vq", "repcodec"):
        assert values[name]["reconstruction_loss"] < values[f"{name}@1"]["reconstruction_loss"]
    report = (exp / "report/REPORT.md").read_text()
    assert all(name in report for name in names) and "tradeoff.png" in report
    assert (exp / "report/tradeoff.png").stat().st_size > 1000


def test_every_tokenizer_has_tokens_of_every_set_from_its_own_codebook(mini_tok1: Path):
    stores = {}
    for name in TOKENIZERS:
        for split in ("train", "valid", "test"):
            store = TokenStore(mini_tok1 / "dump" / FEATURES / name / split)
            assert store.meta.sizes == [32] and store.meta.maker["name"] == name
            stores[name, split] = store
    frames = {
        split: stores["kmeans", split].meta.num_frames for split in ("train", "valid", "test")
    }
    for (_, split), store in stores.items():
        assert store.meta.num_frames == frames[split]
    makers = {stores[name, "train"].meta.maker["fingerprint"] for name in TOKENIZERS}
    assert len(makers) == len(TOKENIZERS)
    assert not (mini_tok1 / "dump" / FEATURES / "vq@1/train").exists()


def test_a_second_run_does_nothing_and_says_so(mini_tok1: Path):
    before = {path: path.stat().st_mtime_ns for path in mini_tok1.rglob("*") if path.is_file()}
    assert "nothing to do: every stage is current" in finish_recipe("mini/tok1", mini_tok1, *TOK1)
    after = {path: path.stat().st_mtime_ns for path in mini_tok1.rglob("*") if path.is_file()}
    assert after == before


def test_asr_trains_on_its_units(mini_tok1: Path, tmp_path: Path):
    units = mini_tok1 / "dump" / FEATURES / "repcodec"
    brief = ["--train_args", "--max_epoch 1 --num_iters_per_epoch 5", "--decode_args", "--beam 2"]
    places = ["--tokens", str(units), "--datadir", str(mini_tok1 / "data")]
    finish_recipe("mini/asr2", tmp_path, "--size", "ci", *places, *brief)
    results = {r.metric: r for _, file in find_results([tmp_path / "exp"]) for r in file.results}
    told = {key: results["wer"].scored[key] for key in ("tokenizer", "features", "set", "recipe")}
    assert told == {
        "tokenizer": "repcodec",
        "features": FEATURES,
        "set": "test",
        "recipe": "egs2/mini/asr2",
    }
    assert (tmp_path / "exp" / f"{FEATURES}_repcodec_train_decoder_only").is_dir()
