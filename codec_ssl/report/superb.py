"""The table of SUPERB: systems by tasks, each with its interval and its learning rate."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from codec_ssl.evaluation.bootstrap import percentiles
from codec_ssl.report import plots
from codec_ssl.report.provenance import provenance
from codec_ssl.report.render import NOT_RUN, render
from codec_ssl.report.results import CHOSEN_BY, DRAWS, Result, ResultFile

PREFIX = "superb_"
WEIGHTS = "layer_weights_{task}.png"
# Order and headings of the benchmark's table; measures that aren't here follow as they come.
COLUMNS = {
    "superb_pr_per": "PR, PER",
    "superb_asr_wer": "ASR, WER",
    "superb_ks_accuracy": "KS, acc.",
    "superb_qbe_mtwv": "QbE, MTWV",
    "superb_sid_accuracy": "SID, acc.",
    "superb_sv_eer": "SV, EER",
    "superb_sd_der": "SD, DER",
    "superb_er_accuracy": "ER, acc.",
    "superb_ic_accuracy": "IC, acc.",
    "superb_ic_label_accuracy": "IC, acc. of labels",
    "superb_sf_slot_type_f1": "SF, F1",
    "superb_sf_slot_value_cer": "SF, CER",
}
_HIGHER = ("accuracy", "f1", "mtwv")
# Systems whose name begins so are what others are compared with.
UNTRAINED = "untrained"
BETTER, WORSE = "↑", "↓"
NOTE = (
    "In %. In brackets 95 % intervals (utterances resampled), in parentheses the learning rate, the"
    " best of the grid on the valid set (QbE trains nothing and chooses a layer)."
)
COMPARED = (
    f"{BETTER} better and {WORSE} worse than the untrained encoder (the mean of its draws, where"
    " there are several): the 95 % interval of the difference, in pairs on the same resampled"
    " utterances, leaves 0 out."
)


def is_superb(result: Result) -> bool:
    """Whether a result is of one of SUPERB's tasks; ML-SUPERB's score is not."""
    return result.metric.startswith(f"{PREFIX}{result.scored.get('task')}_")


def table(results: Sequence[Result]) -> list[list[str]]:
    """Header and a row for each system, in the order of the results; empty without any.

    The best system of a column is bold, arrows compare with what is untrained. Of several results
    of a cell it is the one with the best score on the valid set. The last row is what always
    answering the most frequent class gets.
    """
    found = [result for result in results if is_superb(result)]
    if not found:
        return []
    known = {metric: number for number, metric in enumerate(COLUMNS)}
    metrics = sorted({r.metric for r in found}, key=lambda m: (known.get(m, len(known)), m))
    best: dict[tuple[str, str], Result] = {}
    for result in found:
        key = (result.scored["system"], result.metric)
        if key not in best or _preferred(result, best[key]):
            best[key] = result
    tops = {metric: _top([r for (_, m), r in best.items() if m == metric]) for metric in metrics}
    systems = list(dict.fromkeys(result.scored["system"] for result in found))
    fresh = {
        metric: [best[s, metric] for s in systems if _is_untrained(s) and (s, metric) in best]
        for metric in metrics
    }
    rows = []
    for system in systems:
        cells = [NOT_RUN] * len(metrics)
        for number, metric in enumerate(metrics):
            if result := best.get((system, metric)):
                arrow = "" if _is_untrained(system) else _arrow(result, fresh[metric])
                cells[number] = _cell(result, tops[metric], arrow)
        rows.append([system, *cells])
    header = ["system", *(COLUMNS.get(metric, _heading(metric)) for metric in metrics)]
    majority = [_majority(found, metric) for metric in metrics]
    return [header, *rows, *([["most frequent class", *majority]] if any(majority) else [])]


def sections(files: Sequence[ResultFile], out_dir: Path) -> list[str]:
    """The table, how the first of its cells was made, and the learnt weights of layers by task."""
    found = [result for file in files for result in file.results if is_superb(result)]
    rows = table(found)
    if not rows:
        return []
    compared = any(arrow in cell for row in rows for cell in row for arrow in (BETTER, WORSE))
    notes = [NOTE, *([COMPARED] if compared else [])]
    made = ["## SUPERB", render(rows[0], rows[1:], "markdown", notes=notes)]
    for task in dict.fromkeys(result.scored["task"] for result in found):
        weights = {
            result.scored["system"]: result.scored["layer_weights"]
            for result in found
            if result.scored["task"] == task and len(result.scored.get("layer_weights") or []) > 1
        }
        if weights:
            name = WEIGHTS.format(task=task)
            plots.layer_weights(weights, f"{task}: weights of layers", out_dir / name)
            made.append(f"![{task}: learnt weights of layers]({name})")
    seconds = sum(file.seconds for file in files)
    told = f"{len(files)} scorings, {seconds:.0f} s in all, trainings apart. The first of them:"
    return [*made, told, provenance(files[0])]


def _preferred(one: Result, other: Result) -> bool:
    scores = one.scored[CHOSEN_BY], other.scored[CHOSEN_BY]
    # s3prl's own runs say nothing of it; a task's first measure and its others agree but for slots.
    higher = one.scored.get("higher_is_better", one.metric.endswith(_HIGHER))
    return scores[0] > scores[1] if higher else scores[0] < scores[1]


def _is_untrained(system: str) -> bool:
    return system.split()[0] == UNTRAINED


def _arrow(result: Result, fresh: Sequence[Result]) -> str:
    """Which way a result differs from untrained ones, if beyond chance; empty if unknown."""
    draws = [each.scored.get(DRAWS) or [] for each in (result, *fresh)]
    items = {each.scored.get("num_test") for each in (result, *fresh)}
    if len(draws) < 2 or len(items) > 1 or not draws[0] or len(set(map(len, draws))) > 1:
        return ""
    low, high = percentiles(np.array(draws[0]) - np.mean(draws[1:], axis=0))
    if low <= 0 <= high:
        return ""
    return BETTER if (low > 0) == result.metric.endswith(_HIGHER) else WORSE


def _top(results: Sequence[Result]) -> float:
    values = [result.value for result in results]
    return max(values) if results[0].metric.endswith(_HIGHER) else min(values)


def _cell(result: Result, top: float, arrow: str) -> str:
    text = f"{100 * result.value:.1f}"
    if result.value == top:
        text = f"**{text}**"
    if arrow:
        text += f" {arrow}"
    if result.interval is not None:
        low, high = (f"{100 * end:.1f}" for end in result.interval)
        text += f" [{low}, {high}]"
    rate, layer = (result.scored.get(name) for name in ("learning_rate", "layer"))
    chosen = f"layer {layer}" if rate is None and layer is not None else rate
    return text if chosen is None else f"{text} ({chosen})"


def _heading(metric: str) -> str:
    task, _, name = metric.removeprefix(PREFIX).partition("_")
    return f"{task.upper()}, {name.replace('_', ' ')}"


def _majority(results: Sequence[Result], metric: str) -> str:
    """What it gets in the task's first measure; nothing is known of others."""
    shares = [
        result.scored["majority"]
        for result in results
        if result.metric == metric == f"{PREFIX}{result.scored['task']}_accuracy"
        and result.scored.get("majority") is not None
    ]
    return f"{100 * shares[0]:.1f}" if shares else ""
