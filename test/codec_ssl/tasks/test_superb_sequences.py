"""Phones, transcripts, slots and speakers: trained by ESPnet's trainer on a frozen encoder, scored.

Heads are small and data are toys whose labels can be read off the codes.
"""

import json
import sys

import pytest
import toy_sequences
import yaml

from codec_ssl.bin import superb_evaluate, superb_train
from codec_ssl.report.results import read_results

SMALL = {"hidden_size": [24], "proj_size": 16, "dropout": [0.0]}
# Masks of the benchmark's widths would cover such short toys whole.
NARROW = {"time_mask_width_range": [0, 1], "freq_mask_width_range": [0, 1]}
HEADS = {
    "pr": {},
    "asr": SMALL | {"specaug": NARROW},
    "sf": SMALL | {"specaug": NARROW},
    "sd": {"hidden_size": 12},
}
METRICS = {
    "pr": {"per": (0, 0.1)},
    "asr": {"wer": (0, 0.25), "cer": (0, 0.15)},
    "sf": {"slot_type_f1": (0.8, 1), "slot_value_cer": (0, 0.3)},
    "sd": {"der": (0, 0.1), "der_plain": (0, 0.15)},
}


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """Folder of results of all four tasks, from the two commands."""
    root = tmp_path_factory.mktemp("superb")
    toy_sequences.make_phones(root)
    toy_sequences.make_transcripts(root)
    toy_sequences.make_slots(root)
    toy_sequences.make_talks(root)
    for task, head in HEADS.items():
        conf = {
            "max_epoch": 2,
            "num_iters_per_epoch": 60,
            "batch_size": 8,
            "num_workers": 0,
            "head_conf": head,
        }
        (root / f"{task}.yaml").write_text(yaml.safe_dump(conf))
    data = ["--encoder", "codec", "--datadir", f"{root}/data", "--codes", f"{root}/codes"]
    data += ["--exp", f"{root}/exp"]
    configs = ",".join(f"{task}={root}/{task}.yaml" for task in HEADS)
    _run(superb_train, [*data, "--configs", configs, "--lrs", "2e-2"])
    wanted = ["--tasks", *HEADS, "--out", f"{root}/scores", "--system", "toy"]
    _run(superb_evaluate, [*data, *wanted, "--num_resamples", "20"])
    return root / "scores"


def _run(command, options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [command.__name__, *options])
        command.main()


@pytest.mark.slow
@pytest.mark.parametrize("task", HEADS)
def test_the_toy_is_learnt_and_scored_with_an_interval(scored, task):
    results = {each.metric: each for each in read_results(scored / task / "results.json").results}
    assert list(results) == [f"superb_{task}_{name}" for name in METRICS[task]]
    for name, (least, most) in METRICS[task].items():
        found = results[f"superb_{task}_{name}"]
        assert least <= found.value <= most, name
        low, high = found.interval
        assert low <= found.value <= high


@pytest.mark.slow
def test_predictions_are_kept_as_text(scored):
    found = json.loads((scored / "pr" / "predictions.json").read_text())
    assert len(found) == toy_sequences.COUNTS["test"]
    assert set(" ".join(found.values()).split()) <= set(toy_sequences.PHONES)
