"""``REPORT.md``: what a recipe's run found, with its pictures, for a reader."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from codec_ssl.data.tables import write_atomic
from codec_ssl.errors import DataError
from codec_ssl.report import (
    best_worst_tables,
    hear,
    plots,
    recognition,
    robustness,
    superb,
    tokenizers,
    tradeoff,
    tts,
    vocoder,
)
from codec_ssl.report.best_worst import names_codec
from codec_ssl.report.layers import Curve, Point, curves, majority, metrics_of
from codec_ssl.report.provenance import provenance
from codec_ssl.report.render import render
from codec_ssl.report.results import FILE_NAME, Result, ResultFile, find_files, read_results
from codec_ssl.tokens.histogram import perplexity, usage
from codec_ssl.tokens.meta import META_NAME, read_meta

REPORT = "REPORT.md"
HISTORY = "history.json"
TRADEOFF = "tradeoff.png"


def write_report(
    out_dir: str | Path,
    result_files: Sequence[str | Path],
    histories: Mapping[str, str | Path],
    stores: Mapping[str, str | Path],
    title: str = "Report",
) -> Path:
    """Write ``REPORT.md`` and its pictures.

    Args:
        out_dir: Folder to write into.
        result_files: ``results.json`` files, in the order of the report.
        histories: ``history.json`` of training runs by name.
        stores: Token stores by name, for code usage.
        title: Heading.

    Returns:
        The report's path.
    """
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    sections = [f"# {title}"]
    found = {path: read_results(path) for path in result_files}
    for number, (path, file) in enumerate(found.items()):
        prefix = "" if len(found) == 1 else f"{number + 1}_"
        # Each of HEAR's files, SUPERB's, of recognisers' and of vocoders', is a part of one table.
        kinds = (_is_hear, _is_recognition, _is_superb, vocoder.is_file)
        if not any(kind(file) for kind in kinds):
            sections += _results_sections(file, out_dir, prefix)
        sections += _pictures(Path(path).parent, out_dir)
    others = [file for file in found.values() if not vocoder.is_file(file)]
    results = [result for file in others for result in file.results]
    sections += _hear_sections([file for file in found.values() if _is_hear(file)])
    sections += _recognition_sections([f for f in found.values() if _is_recognition(f)])
    sections += superb.sections([f for f in found.values() if _is_superb(f)], out_dir)
    if tradeoff.draw(results, out_dir / TRADEOFF):
        sections.append(f"![PNMI, reconstruction loss and word error rate]({TRADEOFF})")
    sections += vocoder.sections(list(found.values()))
    sections += best_worst_tables.sections(results)
    sections += _robustness_sections(results, out_dir)
    sections += _training_sections({k: _read_json(v) for k, v in histories.items()}, out_dir)
    sections += _usage_sections(stores, out_dir)
    write_atomic(out_dir / REPORT, "\n\n".join(section.strip() for section in sections) + "\n")
    return out_dir / REPORT


def find_histories(expdir: str | Path) -> dict[str, Path]:
    """``history.json`` of every training run below a folder, named by its place there."""
    found = find_files(expdir, HISTORY)
    return {str(path.parent.relative_to(expdir)): path for path in found}


def find_result_files(expdir: str | Path) -> list[Path]:
    """Every ``results.json`` below a folder."""
    return find_files(expdir, FILE_NAME)


def _results_sections(file: ResultFile, out_dir: Path, prefix: str) -> list[str]:
    by_layer = {metric: curves(file.results, metric) for metric in metrics_of(file.results)}
    sections = []
    if by_layer:
        sections.append(_summary(by_layer))
    for metric, found in by_layer.items():
        name = f"{prefix}{metric}.png"
        chance = majority(file.results, metric)
        plots.by_layer(found, metric.replace("_", " "), out_dir / name, chance)
        sections += [f"## {_heading(metric)}", _layer_table(found, chance)]
        sections.append(f"![{metric} by layer]({name})")
    for name, rows in tokenizers.tables(file.results).items():
        sections += [f"## Tokens of {name}", render(rows[0], rows[1:], "markdown")]
    synthesis = tts.table(file.results)
    if synthesis:
        sections += ["## Synthesis", render(synthesis[0], synthesis[1:], "markdown")]
    plain = [
        result for result in file.results if "layer" not in result.scored and not _has_table(result)
    ]
    if plain:
        rows = [
            [result.metric, f"{result.value:g}", result.unit, _scored(result.scored)]
            for result in plain
        ]
        sections.append(render(["metric", "value", "unit", "scored"], rows, "markdown"))
    if file.notes:
        sections += ["## Notes", "\n".join(f"- {note}" for note in file.notes)]
    return [*sections, "## How it was made", provenance(file)]


def _is_hear(file: ResultFile) -> bool:
    return bool(file.results) and all(hear.is_hear(result.metric) for result in file.results)


def _is_superb(file: ResultFile) -> bool:
    return bool(file.results) and all(map(superb.is_superb, file.results))


def _hear_sections(files: Sequence[ResultFile]) -> list[str]:
    """The one table of HEAR, and how the first of its cells was made."""
    table = hear.table([result for file in files for result in file.results])
    if not table:
        return []
    seconds = sum(file.seconds for file in files)
    return [
        "## HEAR",
        render(table[0], table[1:], "markdown"),
        f"In brackets 95 % intervals (sounds resampled). {len(files)} runs, {seconds:.0f} s in all."
        " The first of them:",
        provenance(files[0]),
    ]


def _is_recognition(file: ResultFile) -> bool:
    return bool(file.results) and all(map(recognition.is_recognition, file.results))


def _recognition_sections(files: Sequence[ResultFile]) -> list[str]:
    """A table of recognisers for each test set, and how the first of its cells was made."""
    found = recognition.tables([result for file in files for result in file.results])
    sections = []
    for name, rows in found.items():
        sections += [f"## Recognition of {name}"]
        sections.append(render(rows[0], rows[1:], "markdown", notes=[recognition.NOTE]))
    return [*sections, "The first of them:", provenance(files[0])] if found else []


def _robustness_sections(results: Sequence[Result], out_dir: Path) -> list[str]:
    """Error rates of recognisers by the noise's level, where noisy sets were scored."""
    systems, sections = robustness.systems_of(results), []
    for metric in robustness.METRICS:
        try:
            tables = robustness.tables(systems, metric)
        except DataError as error:
            # A report of several decodings of one model; the command can be told which to take.
            sections.append(f"No table of robustness to noise: {error}")
            continue
        for name, rows in tables.items():
            sections.append(f"## Robustness to noise: {name}, {metric.upper()} in %")
            sections.append(render(rows[0], rows[1:], "markdown", notes=[robustness.NOTE]))
        picture = f"robustness_{metric}.png"
        if robustness.draw(systems, out_dir / picture, metric):
            sections.append(f"![{metric.upper()} by the ratio of speech to noise]({picture})")
    return sections


def _pictures(folder: Path, out_dir: Path) -> list[str]:
    """Pictures that a scoring left beside its results."""
    found = sorted(folder.glob("*.png")) if folder.resolve() != out_dir.resolve() else []
    paths = [os.path.relpath(path.resolve(), out_dir.resolve()) for path in found]
    return [f"![{path.stem}]({place})" for path, place in zip(found, paths, strict=True)]


def _has_table(result: Result) -> bool:
    """Whether a result stands in a table of its kind: of tokenizers, of synthesis or of codecs."""
    kinds = (tokenizers.names_tokenizer, names_codec)
    shown = {*best_worst_tables.COUNTS, *tts.METRICS}
    return result.metric in shown or any(kind(result) for kind in kinds)


def _summary(by_layer: Mapping[str, Sequence[Curve]]) -> str:
    """Best layer of every system on every metric; the best system of a metric in bold."""
    header = ["system (best layer)", *(_heading(metric) for metric in by_layer)]
    systems = list(dict.fromkeys(c.system for found in by_layer.values() for c in found))
    best = {(m, c.system): c.best for m, found in by_layer.items() for c in found}
    rows = []
    for system in systems:
        cells = [system]
        for metric, found in by_layer.items():
            point = best.get((metric, system))
            top = max(curve.best.value for curve in found)
            cells.append("–" if point is None else _bold(_cell(point), point.value == top))
            if point is not None:
                cells[-1] += f" (L{point.layer})"
        rows.append(cells)
    return "## Best layers\n\n" + render(header, rows, "markdown")


def _layer_table(found: Sequence[Curve], chance: float | None) -> str:
    layers = sorted({point.layer for curve in found for point in curve.points})
    rows = []
    for curve in found:
        points = {point.layer: point for point in curve.points}
        cells = [
            _bold(_cell(points[layer]), points[layer] == curve.best and len(points) > 1)
            if layer in points
            else ""
            for layer in layers
        ]
        rows.append([curve.system, *cells])
    table = render(["layer", *map(str, layers)], rows, "markdown")
    best = [curve.best for curve in found if curve.best.interval is not None]
    lines = [table]
    if best:
        texts = [
            f"{curve.system} L{curve.best.layer} [{100 * curve.best.interval[0]:.1f},"
            f" {100 * curve.best.interval[1]:.1f}]"
            for curve in found
            if curve.best.interval is not None
        ]
        lines.append(
            "95 % intervals of the best layers (utterances resampled): " + "; ".join(texts)
        )
    if chance is not None:
        lines.append(f"Always answering the most frequent class: {100 * chance:.1f}.")
    return "\n\n".join(line.strip() for line in lines)


def _cell(point: Point) -> str:
    spread = f"±{100 * point.deviation:.1f}" if point.num_runs > 1 else ""
    return f"{100 * point.value:.1f}{spread}"


def _bold(text: str, bold: bool) -> str:
    return f"**{text}**" if bold else text


def _heading(metric: str) -> str:
    words = metric.replace("_", " ").replace("pnmi", "PNMI")
    return f"{words[0].upper()}{words[1:]}, %"


def _scored(scored: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in scored.items() if value is not None)


def _training_sections(histories: Mapping[str, Any], out_dir: Path) -> list[str]:
    sections = []
    groups = filter(plots.telling_figures, _alike(histories))
    for number, group in enumerate(groups, start=1):
        name = f"training_{number}.png"
        plots.training_curves(group, out_dir / name)
        sections.append(f"![training curves of {', '.join(group)}]({name})")
    return ["## Training", *sections] if sections else []


def _alike(histories: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Groups of runs that log mostly the same figures: a codec's stand apart from a model's."""
    groups: list[tuple[set[str], dict[str, Any]]] = []
    for run, history in histories.items():
        names = plots.figures_of(history)
        for known, group in groups:
            if 2 * len(known & names) >= len(known | names):
                group[run] = history
                break
        else:
            groups.append((names, {run: history}))
    return [group for _, group in groups]


def _usage_sections(stores: Mapping[str, str | Path], out_dir: Path) -> list[str]:
    sections = ["## Code usage"] if stores else []
    for name, path in stores.items():
        meta = read_meta(Path(path) / META_NAME)
        picture = f"usage_{name.replace('/', '_')}.png"
        plots.code_usage(meta.histogram, name, out_dir / picture)
        header = ["codebook", "size", "used", "perplexity"]
        rows = [
            [str(number), str(len(counts)), f"{usage(counts):.1%}", f"{perplexity(counts):.1f}"]
            for number, counts in enumerate(meta.counts(), start=1)
        ]
        title = f"### {name}: {meta.num_utterances} utterances, {meta.seconds / 3600:.2f} h"
        sections += [title, render(header, rows, "markdown"), f"![usage of {name}]({picture})"]
    return sections


def _read_json(path: str | Path) -> Any:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
