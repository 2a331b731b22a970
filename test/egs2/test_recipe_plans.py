"""What the recipes of the repository would do, by their plans, and recipes made from a template."""

from pathlib import Path

import pytest
from recipes import EGS, RUN_SCRIPTS, bash, begins_with_units, plan, recipe_id, run

pytestmark = [pytest.mark.plan]

# An option of the task's own, which --help must list.
OWN_OPTION = {
    "hear1": "--tasks",
    "ssl1": "--codec",
    "tok1": "--encoder",
    "asr2": "--tokens",
    "codec1": "--metrics",
    "tts1": "--systems",
    "mae1": "--teacher",
    "asr1": "--lang_token",
    "mlsuperb1": "--lang_only",
    "superb1": "--lrs",
    "voc1": "--convert",
}


def new_recipe(
    clone: Path, task: str, own: tuple[str, ...] = ("run.sh", "README.md", "local/data.sh")
) -> tuple[Path, str]:
    """A recipe made from a template, whose own files are no links, and what its making said."""
    made = run(["bash", "egs2/TEMPLATE/setup.sh", f"mycorpus/{task}"], cwd=clone)
    assert made.returncode == 0, made.stderr
    recipe = clone / "egs2/mycorpus" / task
    for name in own:
        assert not (recipe / name).is_symlink() and "@corpus@" not in (recipe / name).read_text()
    [stages] = {file.name for file in recipe.glob("*.sh")} - {"run.sh", "path.sh", "cmd.sh"}
    assert (recipe / stages).resolve() == clone / "egs2/TEMPLATE" / task / stages
    return recipe, made.stdout


@pytest.mark.parametrize("script", RUN_SCRIPTS, ids=recipe_id)
def test_dry_run_prints_a_plan_and_makes_nothing(script: Path, tmp_path: Path):
    folders = {name: tmp_path / "a b" / name for name in ("data", "dump", "exp")}
    if begins_with_units(script):
        del folders["data"]
    options = [f"--{n}dir={p}" for n, p in folders.items()]
    result = run(["bash", str(script), "--dry_run", "true", *options], cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    # Units and transcripts of an ASR come from another recipe, which may not have run.
    assert "not made yet" in result.stdout or "needs ../tok1" in result.stdout
    assert not any(path.exists() for path in folders.values())


@pytest.mark.parametrize("script", RUN_SCRIPTS, ids=recipe_id)
def test_help_lists_every_option_with_its_default(script: Path):
    result = run(["bash", str(script), "--help"], cwd=EGS)
    assert result.returncode == 0, result.stderr
    own = OWN_OPTION[script.parent.name]
    for option in ("--stage", "--stop_stage", "--nj", "--ngpu", "--expdir", "--dumpdir", own):
        assert option in result.stdout


def test_new_recipe_is_made_and_an_existing_one_is_left_alone(clone: Path):
    setup = ["bash", "egs2/TEMPLATE/setup.sh", "mycorpus/ssl1"]
    made = run(setup, cwd=clone)
    assert made.returncode == 0, made.stderr
    recipe = clone / "egs2/mycorpus/ssl1"
    assert "@corpus@" not in (recipe / "run.sh").read_text()
    assert (recipe / "ssl.sh").resolve() == clone / "egs2/TEMPLATE/ssl1/ssl.sh"
    again = run(setup, cwd=clone)
    assert again.returncode == 1
    assert "exists already" in again.stderr
    wrong = run([*setup[:2], "mycorpus/nosuchtask"], cwd=clone)
    assert wrong.returncode == 1
    assert "usage" in wrong.stderr


def test_a_new_recipe_that_begins_with_units_has_no_reader(clone: Path):
    recipe, told = new_recipe(clone, "asr2", own=("run.sh", "README.md"))
    assert "--tokens DIR --datadir DIR" in told
    assert not (recipe / "local" / "data.sh").exists()
    planned = bash(recipe / "run.sh", "--dry_run", "true")
    assert "needs ../tok1/data/train" in planned.stdout, planned.stderr


def test_a_new_codec_asr_recipe_plans_its_codec_and_model(clone: Path):
    recipe, _ = new_recipe(clone, "asr1")
    assert (recipe / "conf/tuning/train_codec_asr_random.yaml").is_file()
    planned = bash(recipe / "run.sh", "--dry_run", "true")
    assert "exp/codec_train_codec_asr/score_test" in planned.stdout, planned.stderr


def test_a_new_tokenizer_recipe_has_a_reader_of_its_own(clone: Path):
    recipe, _ = new_recipe(clone, "tok1")
    planned = bash(recipe / "run.sh", "--dry_run", "true")
    assert "exp/hubert_base_l9/repcodec" in planned.stdout, planned.stderr
    refused = bash(recipe / "run.sh", "--dry_run", "true", "--tokenizers", "nosuch")
    assert refused.returncode == 1
    assert "there is no conf/train_nosuch.yaml" in refused.stderr


def test_a_new_codec_recipe_plans_a_training_of_its_own(clone: Path, tmp_path: Path):
    recipe, _ = new_recipe(clone, "codec1")
    planned = plan(recipe, tmp_path, "--num_codebooks", "2", "--decode_codebooks", "1 2")
    outs = {stage: [out for name, out in planned if name == stage] for stage, _ in planned}
    assert outs["train"] == ["exp/soundstream"] and outs["tokens"] == ["dump/soundstream_2cb/test"]
    assert outs["decode"] == [f"exp/decoded/soundstream_2cb/test_{books}cb" for books in (1, 2)]
    scored = plan(recipe, tmp_path, "--codec", "dac_16k", "--eval_sets", "a b")
    assert not {"stats", "train"} & {stage for stage, _ in scored}
    assert ("score", "exp/agreement/dac_16k/b") in scored and (
        "score",
        "exp/score/dac_16k/a",
    ) in scored


@pytest.mark.parametrize(
    ("codec", "name"),
    [
        ("dac_16k", "dac_16k"),
        ("../exp/soundstream_v1.1", "soundstream_v1.1"),
        ("/a.b/exp/soundstream", "soundstream"),
        ("exp.d/soundstream_8cb.yaml", "soundstream_8cb"),
        ("weights_16khz_8kbps_0.0.9.pth", "weights_16khz_8kbps_0.0.9"),
    ],
)
def test_a_codec_is_called_like_its_file_or_folder_whatever_dots_there_are(
    tmp_path: Path, codec: str, name: str
):
    outs = {out for _, out in plan("mini/codec1", tmp_path, "--codec", codec)}
    assert {f"dump/{name}/test", f"exp/decoded/{name}/test"} <= outs


def test_a_new_hear_recipe_plans_its_systems_and_tasks(clone: Path, tmp_path: Path):
    recipe, _ = new_recipe(clone, "hear1")
    options = ["--encoders", "a=x,b=hubert_base", "--codec", "y", "--nj", "2"]
    options += ["--tasks", "esc50 label=mood"]
    planned = plan(recipe, tmp_path, *options)
    scored = [out for stage, out in planned if stage == "evaluate"]
    systems = ("a", "b", "log-mel", "codec_latent", "untrained")
    names = ("esc50", "mood")
    assert scored == [f"exp/hear/{system}/{name}" for system in systems for name in names]
    assert ("embed", "dump/a/esc50") in planned and "encoder" not in {s for s, _ in planned}
    trained = plan("mini/hear1", tmp_path, "--tasks", "events scenes")
    assert ("encoder", "exp/encoder") in trained
    assert ("evaluate", "exp/hear/self-trained/scenes") in trained


def test_a_new_vocoder_recipe_plans_a_vocoder_for_each_kind_of_units(clone: Path, tmp_path: Path):
    recipe, _ = new_recipe(clone, "voc1")
    options = ["--tokens", "a=x y,b=z", "--tokenizers", "c=t", "--encoder", "hubert_base"]
    planned = plan(recipe, tmp_path, *options, "--codec", "dac_16k", "--listen", "0")
    trained = [out for stage, out in planned if stage == "train"]
    assert trained == [f"exp/{name}_unit_hifigan" for name in ("a", "b", "c", "dac_16k")]
    tokens = {out for stage, out in planned if stage == "tokens"}
    splits = ("train", "valid", "test")
    assert tokens == {f"dump/{name}/{s}" for name in ("c", "dac_16k") for s in splits}
    assert not any("listening" in out or "converted" in out for _, out in planned)


def test_curves_end_with_the_training_and_scored_sets_get_tokens(tmp_path: Path):
    options = ["--curve_epochs", "1 50 100", "--eval_sets", "dev-clean dev-other"]
    planned = plan("librispeech/tok1", tmp_path, *options)
    exp, dump = "exp/data2vec_large_l18", "dump/data2vec_large_l18"
    trained = {out for stage, out in planned if stage == "train"}
    names = (
        "kmeans_sklearn",
        "vq",
        "vq@1",
        "repcodec",
        "repcodec@1",
        "repcodec@50",
        "repcodec@100",
    )
    assert trained == {f"{exp}/{name}" for name in names}
    tokens = {out for stage, out in planned if stage == "tokens"}
    assert {f"{dump}/vq/dev-other", f"{dump}/repcodec@50/dev-other"} <= tokens
    # A training set that is only drawn from gets no tokens, so nothing later may ask for them.
    assert not any(out.endswith("train-clean-100") for out in tokens)


@pytest.mark.parametrize("recipe", ["mls/codec1", "audioset/codec1"])
def test_a_folder_of_audio_brings_its_sets_to_the_study_too(tmp_path: Path, recipe: str):
    outs = {out for _, out in plan(recipe, tmp_path, "--audio_dir", "x")}
    assert "exp/stats/train" in outs and not any("ljspeech" in out for out in outs)
    assert sum(out.startswith("exp/decoded/") and out.endswith("/test") for out in outs) == 1


def test_layers_come_from_the_encoders_file_and_folders_of_audio_bring_their_sets(tmp_path: Path):
    planned = plan("librispeech/tok1", tmp_path, "--encoder", "hubert_base", "--audio_dir", "x")
    outs = {out for _, out in planned}
    assert "exp/hubert_base_l9/quality/test" in outs
    assert not any("dev-clean" in out or "train-960" in out for out in outs)
