"""What mae.sh gives to its commands, for each way to run it: a stub in place of our commands."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.plan, pytest.mark.timeout(900)]
ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "egs2" / "mini" / "mae1"

# Writes down what it is asked for, and makes the folders that should come out.
STUB = r"""#!/usr/bin/env bash
if [ "$1" != -m ]; then exec {python} "$@"; fi
shift
printf '%q ' "$@" >>{record}; echo >>{record}
for arg in "$@"; do
    case ${{last:-}} in --out | --output_dir | --store) mkdir -p "${{arg}}" ;; esac
    last=${{arg}}
done
{extra}
"""


class Stubbed:
    """A place where mae.sh runs with the stub; data and codec are taken for made.

    Args:
        folder: Where everything goes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.record = folder, folder / "record"
        # path.sh finds an environment that is current, whose python is the stub.
        venv = Path(os.environ.get("CODEC_SSL_VENV", ROOT / ".venv"))
        (folder / "venv" / "bin").mkdir(parents=True)
        (folder / "venv" / ".codec_ssl").symlink_to(venv / ".codec_ssl")
        # The job runner is a script of python3; a shim would put its own folder before the stub's.
        (folder / "venv" / "bin" / "python3").symlink_to(sys.executable)
        self.stub("")
        for split in ("train", "valid"):
            (folder / "data" / split).mkdir(parents=True)

    def stub(self, extra: str) -> None:
        """Let the stub do more, in bash."""
        python = self.folder / "venv" / "bin" / "python"
        words = {"python": shlex.quote(sys.executable), "record": shlex.quote(str(self.record))}
        python.write_text(STUB.format(**words, extra=extra))
        python.chmod(0o755)

    def run(self, *options: str) -> subprocess.CompletedProcess:
        """Run the recipe from the statistics on."""
        self.record.write_text("")
        places = [f"--{name}dir={self.folder / name}" for name in ("data", "dump", "exp")]
        command = ["bash", "run.sh", *places, "--stage", "stats", "--nj", "1", *options]
        env = {**os.environ, "CODEC_SSL_VENV": str(self.folder / "venv"), "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            command, cwd=RECIPE, env=env, capture_output=True, text=True, check=False
        )

    def commands(self, *options: str) -> list[tuple[str, dict[str, list[str]]]]:
        """Module and options of each command of a run; folders without the place's own."""
        done = self.run(*options)
        assert done.returncode == 0, done.stderr
        found = []
        for line in self.record.read_text().splitlines():
            module, *words = (word.replace(f"{self.folder}/", "") for word in shlex.split(line))
            given: dict[str, list[str]] = {}
            for name, value in zip(words[::2], words[1::2], strict=True):
                given.setdefault(name.removeprefix("--"), []).append(value)
            found.append((module.removeprefix("codec_ssl.bin."), given))
        return found


@pytest.fixture
def stubbed(tmp_path: Path) -> Stubbed:
    return Stubbed(tmp_path / "a b")


def of(commands: list, module: str) -> list[dict[str, list[str]]]:
    return [given for name, given in commands if name == module]


def data_of(training: dict[str, list[str]]) -> dict[str, str]:
    """Path of each kind of data; those of validation lie beside those of training."""
    entries = [entry.split(",") for entry in training["train_data_path_and_name_and_type"]]
    valid = [entry.split(",") for entry in training["valid_data_path_and_name_and_type"]]
    assert sorted(path.removesuffix("train") for path, _, _ in entries) == sorted(
        path.removesuffix("valid") for path, _, _ in valid
    )
    kinds = {"audio": "data_dir", "features": "feature_cache"}
    assert all(kind == kinds.get(name, "token_store") for _, name, kind in entries)
    return {name: path.removesuffix("/train") for path, name, _ in entries}


CODES = {"codes": "dump/codes_encodec_24k"}
LABELS = {"labels": "dump/labels"}
AUDIO = {"audio": "data"}
V1, V2, MEL, QUANTIZED = (
    ("--train_config", f"conf/train_{name}.yaml") for name in ("v1", "v2", "v2_mel", "v2_quantized")
)
LIVE, CACHE = ("--codes", "live"), ("--features", "cache")


def cached(name: str) -> dict[str, str]:
    return {"features": f"dump/features_{name}_encodec_24k"}


@pytest.mark.parametrize(
    ("options", "first", "second"),
    [
        (V2, CODES | AUDIO, LABELS | AUDIO),
        (V1, CODES | AUDIO, CODES | LABELS | AUDIO),
        (MEL, CODES | AUDIO, LABELS | AUDIO),
        (QUANTIZED, CODES, CODES | LABELS),
        ((*V2, *LIVE), AUDIO, LABELS | AUDIO),
        ((*QUANTIZED, *LIVE), AUDIO, LABELS | AUDIO),
        ((*V1, *LIVE), AUDIO, LABELS | AUDIO),
        ((*MEL, *CACHE), CODES | cached("mel"), LABELS | cached("mel")),
        ((*V1, *CACHE), CODES | cached("latent"), CODES | LABELS | cached("latent")),
        ((*V2, *LIVE, *CACHE), AUDIO | cached("latent"), LABELS | cached("latent")),
    ],
    ids=lambda given: "-".join(given[1::2]) if isinstance(given, tuple) else "",
)
def test_each_training_reads_what_its_config_needs_and_nothing_else(
    stubbed: Stubbed, options: tuple, first: dict, second: dict
):
    commands = stubbed.commands("--codec", "encodec_24k", *options)
    trainings = of(commands, "encodecmae_train")
    assert [given["output_dir"] for given in trainings] == [["exp/pretrain"], ["exp/selftrain"]]
    assert [data_of(given) for given in trainings] == [first, second]
    # Lengths of utterances come from headers only where no store or cache has them.
    shapes = [given.get("train_shape_file") for given in trainings]
    assert shapes == [["exp/stats/train/num_samples"] if first == AUDIO else None, None]
    assert all(given["codec"] == ["encodec_24k"] for given in trainings)
    new = "encodecmae.objective.heads" + (".labels" if "train_v1" in options[1] else "")
    start = f"exp/pretrain/latest.pth:encodecmae:encodecmae:{new}"
    assert [given.get("init_param") for given in trainings] == [None, [start]]
    stored = "live" not in options
    assert len(of(commands, "extract_codes")) == (2 if stored else 0)
    assert all(given["codec"] == ["encodec_24k"] for given in of(commands, "audio_stats"))
    [fit] = of(commands, "fit_kmeans")
    assert fit["exp"] == ["exp/pretrain"] and "layer" not in fit
    labelled = of(commands, "extract_labels")
    for given in (fit, labelled[0]):
        assert given.get("store") == (["dump/codes_encodec_24k/train"] if stored else None)
    assert [given["out"] for given in labelled] == [["dump/labels/train"], ["dump/labels/valid"]]
    caches = of(commands, "cache_features")
    # The plan comes before the jobs, of each set.
    planned = [given.get("plan_only") for given in caches]
    assert planned == ([["true"], None] * 2 if "cache" in options else [])
    assert all(given["train_config"] == [options[1]] for given in caches)
    assert all(given["codec"] == ["encodec_24k"] for given in caches)


def test_without_self_training_there_are_no_labels(stubbed: Stubbed):
    commands = stubbed.commands("--codec", "encodec_24k", "--selftrain", "false")
    assert [name for name, _ in commands][-2:] == ["encodecmae_train", "report"]
    assert not of(commands, "fit_kmeans") and not of(commands, "extract_labels")
    assert commands[-1][1]["stores"] == ["codes=dump/codes_encodec_24k/train"]


def test_a_second_experiment_leaves_all_of_the_first_one_as_it_is(stubbed: Stubbed):
    """Labels of another teacher go to folders of their own; codes serve both."""
    (stubbed.folder / "exp" / "codec").mkdir(parents=True)
    codec = ("--codec", str(stubbed.folder / "exp" / "codec"))
    stubbed.commands(*codec)
    made = {path for path in stubbed.folder.rglob("*") if path.is_dir()}
    teacher = ("--teacher", str(stubbed.folder / "exp" / "selftrain"))
    commands = stubbed.commands(*codec, *teacher, f"--expdir={stubbed.folder}/exp_large", *V1)
    assert not list(stubbed.folder.rglob("*.old-*")) and all(path.is_dir() for path in made)
    assert not of(commands, "extract_codes")
    [fit] = of(commands, "fit_kmeans")
    assert (fit["exp"], fit["out"]) == (["exp/selftrain"], ["exp_large/kmeans"])
    first, second = of(commands, "encodecmae_train")
    assert data_of(first) == {"codes": "dump/codes", "audio": "data"}
    assert data_of(second) == data_of(first) | {"labels": "dump/labels_exp_large"}
    assert "exp_large/pretrain/latest.pth" in second["init_param"][0]


def test_what_would_stop_self_training_stops_before_anything_runs(stubbed: Stubbed):
    refused = {
        "there is no such file; --selftrain false": ("--selftrain_config", "conf/none.yaml"),
        "expected input: mel": (*MEL, "--selftrain_config", "conf/selftrain_v2.yaml"),
        "expected the folder of an experiment": ("--teacher", "exp_none/selftrain"),
        "--features cache: input and input_conf": (*CACHE, "--train_args", "--input_conf mean=0"),
    }
    for message, options in refused.items():
        done = stubbed.run("--codec", "encodec_24k", *options)
        assert done.returncode == 1 and message in done.stderr
        assert stubbed.record.read_text() == ""
    stubbed.stub("exit 1")
    assert stubbed.run("--codec", "encodec_24k", "--kmeans_layer", "9").returncode == 1
    [line] = stubbed.record.read_text().splitlines()
    asked = "codec_ssl.bin.check_layer --layer 9 --config conf/train_v2.yaml"
    assert shlex.split(line) == asked.split()


def test_a_plan_for_full_disks_starts_no_job(stubbed: Stubbed):
    stubbed.stub('case " $* " in *" --plan_only true "*) exit 1 ;; esac')
    done = stubbed.run("--codec", "encodec_24k", *CACHE)
    assert done.returncode != 0
    written = stubbed.record.read_text().splitlines()
    assert written[-1].rstrip().endswith("--plan_only true")
    assert sum("cache_features" in line for line in written) == 1


@pytest.mark.parametrize(
    ("codec", "folder"),
    [
        ("exp/codec", "codes"),
        ("other/exp_b/codec", "codes_exp_b"),
        ("weights_16khz_8kbps_0.0.9.pth", "codes_weights_16khz_8kbps_0.0.9"),
        ("a.b/soundstream_v1.1", "codes_soundstream_v1.1"),
    ],
)
def test_codes_are_called_like_the_codec_whatever_dots_there_are(
    tmp_path: Path, codec: str, folder: str
):
    command = ["bash", "run.sh", "--dry_run", "true", f"--dumpdir={tmp_path}/dump"]
    venv = os.environ.get("CODEC_SSL_VENV", str(ROOT / ".venv"))
    done = subprocess.run(
        [*command, f"--expdir={tmp_path}/exp", f"--datadir={tmp_path}/data", "--codec", codec],
        cwd=RECIPE,
        env={**os.environ, "CODEC_SSL_VENV": venv},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"{tmp_path}/dump/{folder}/train" in done.stdout
