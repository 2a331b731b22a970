"""SUPERB's table and its pictures."""

import numpy as np

from codec_ssl.report.results import Result, write_results
from codec_ssl.report.superb import is_superb, sections, table


def result(system, task, measure, value, valid=0.5, higher=True, **more):
    scored = {"system": system, "task": task, "valid_score": valid, "higher_is_better": higher}
    scored |= {"learning_rate": "1e-3", **more}
    return Result(f"superb_{task}_{measure}", value, "fraction", scored, (value - 0.1, value + 0.1))


def test_systems_by_tasks_in_the_benchmarks_order_the_best_bold():
    rows = table(
        [
            result("ours", "ks", "accuracy", 0.9, majority=0.1),
            result("mel", "ks", "accuracy", 0.5, majority=0.1),
            result("ours", "pr", "per", 0.2, higher=False),
            result("ours", "sv", "eer", 0.3, higher=False),
            result("mel", "sv", "eer", 0.2, higher=False),
        ]
    )
    assert rows == [
        ["system", "PR, PER", "KS, acc.", "SV, EER"],
        [
            "ours",
            "**20.0** [10.0, 30.0] (1e-3)",
            "**90.0** [80.0, 100.0] (1e-3)",
            "30.0 [20.0, 40.0] (1e-3)",
        ],
        ["mel", "–", "50.0 [40.0, 60.0] (1e-3)", "**20.0** [10.0, 30.0] (1e-3)"],
        ["most frequent class", "", "10.0", ""],
    ]


def test_of_several_results_the_best_on_the_valid_set_is_shown():
    one = result("ours", "sv", "eer", 0.1, valid=0.4, higher=False)
    other = result("ours", "sv", "eer", 0.2, valid=0.3, higher=False)
    assert table([one, other])[1][1].startswith("**20.0**")


def test_arrows_mark_what_differs_from_the_untrained_in_pairs(tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.1, 1000)  # which utterances were drawn
    better, level = 0.05 + 0.01 * noise[::-1], 0.03 * noise[::-1]

    def drawn(system, draws, measure="accuracy", task="ks"):
        higher = measure == "accuracy"
        more = {"draws": (0.5 + noise + draws).tolist(), "num_test": 40}
        return result(system, task, measure, 0.5, higher=higher, **more)

    found = [
        drawn("ours", better),
        drawn("level", level),
        drawn("untrained", -0.01),
        drawn("untrained 1", +0.01),
        drawn("ours", better, "per", "pr"),
        drawn("untrained", 0.0, "per", "pr"),
    ]
    rows = {row[0]: row[1:] for row in table(found)}
    assert [cell.split()[1] for cell in rows["ours"]] == ["↓", "↑"]  # errors first
    arrows = ["level", "untrained", "untrained 1"]
    assert not any(arrow in "".join(rows[name]) for name in arrows for arrow in "↑↓")
    text = "".join(sections([write_results(tmp_path / "a.json", found, 1.0)], tmp_path))
    assert "leaves 0 out" in text
    # Intervals of the two systems by themselves overlap by far: it is the pairing that tells.
    ends = [np.quantile(each.scored["draws"], [0.025, 0.975]) for each in (found[0], found[2])]
    assert ends[0][0] < ends[1][1]
    other = drawn("ours", better)
    other.scored["num_test"] = 41
    assert "↑" not in "".join(table([other, found[2]])[1])


def test_learnt_weights_of_layers_are_drawn_for_each_task(tmp_path):
    found = [
        result("ours", "ks", "accuracy", 0.9, layer_weights=[0.2, 0.3, 0.5]),
        result("mel", "ks", "accuracy", 0.5, layer_weights=[1.0]),
        result("ours", "sid", "accuracy", 0.5, layer_weights=[1.0]),
    ]
    file = write_results(tmp_path / "results.json", found, 7.0, command="score")
    made = sections([file], tmp_path / "report")
    assert made[0] == "## SUPERB" and made[2].startswith("![ks: ")
    assert "1 scorings, 7 s in all" in made[3] and "- command: `score`" in made[4]
    assert [path.name for path in (tmp_path / "report").iterdir()] == ["layer_weights_ks.png"]


def test_the_score_of_ml_superb_is_another_thing():
    assert not is_superb(Result("superb_score", 500.0, "thousandths", {"duration": "10min"}))
    assert sections([], None) == []
