"""Tables of a paper: the published number beside ours, from ``conf/papers/<paper>.yaml``.

A row names the recipe and the config that make its model, a column the metric and, if it is
another, the recipe that scores it. Our number is looked up in ``results.json`` files: of each run
the layer that was best on a valid set, or where none was scored the best layer; then the mean over
runs (seeds).
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from codec_ssl.errors import ConfigError
from codec_ssl.report.best_worst import names_codec
from codec_ssl.report.results import CHOSEN_BY, Result, ResultFile

REPOSITORY = Path(__file__).resolve().parents[2]
PAPERS = REPOSITORY / "conf" / "papers"


@dataclass(frozen=True)
class Column:
    """One measure of a table.

    Attributes:
        name: Heading.
        metric: Metric in ``results.json``.
        unit: Unit of the published numbers.
        better: ``lower`` or ``higher``.
        recipe: Recipe that scores it, where that isn't the row's own.
        config: Training config within that recipe, where that isn't the row's own.
        planned: Whether that recipe is still to be written.
        match: Entries of ``Result.scored`` that must be equal, such as ``set``.
    """

    name: str
    metric: str
    unit: str
    better: str
    recipe: str | None = None
    config: str | None = None
    planned: bool = False
    match: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.better not in ("lower", "higher"):
            raise ValueError(f"better: expected lower or higher, found {self.better!r}")


@dataclass(frozen=True)
class Published:
    """A published number, where it was read, and how sure that is (H, M or L).

    Attributes:
        value: The number.
        source: Key of the paper's ``sources``.
        confidence: H, M or L.
        above: Whether the paper only says that it is more than that.
    """

    value: float
    source: str
    confidence: str
    above: bool = False

    def __post_init__(self) -> None:
        if self.confidence not in ("H", "M", "L"):
            raise ValueError(f"confidence: expected H, M or L, found {self.confidence!r}")


@dataclass(frozen=True)
class Row:
    """One system of a table.

    Attributes:
        name: As in the paper.
        published: Published numbers by column name; a number not known is left out.
        recipe: Recipe that makes it, from the repository's root.
        config: Training config within the recipe.
        match: Further entries of ``Result.scored`` that must be equal, such as ``codec``.
        reference: Why it isn't reproduced here; then it has no recipe.
        note: What a reader should know.
    """

    name: str
    published: dict[str, Published] = field(default_factory=dict)
    recipe: str | None = None
    config: str | None = None
    match: dict[str, Any] = field(default_factory=dict)
    reference: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Table:
    """One table of a paper."""

    name: str
    title: str
    columns: list[Column]
    rows: list[Row]
    note: str = ""


@dataclass(frozen=True)
class Paper:
    """All tables of a paper."""

    name: str
    title: str
    path: Path
    sources: dict[str, str]
    tables: dict[str, Table]

    def table(self, name: str) -> Table:
        """A table by name.

        Raises:
            ConfigError: If there is none; the message lists those that are.
        """
        if name not in self.tables:
            raise ConfigError(
                f"{self.path}: expected one of tables {list(self.tables)}, found {name}"
            )
        return self.tables[name]


def load_paper(name: str | Path) -> Paper:
    """Read ``conf/papers/<name>.yaml``, or the file itself if ``name`` is a path to one.

    Raises:
        ConfigError: If there is no such paper or an entry is wrong.
    """
    path = Path(name) if Path(name).suffix == ".yaml" else PAPERS / f"{name}.yaml"
    if not path.is_file():
        known = sorted(found.stem for found in PAPERS.glob("*.yaml"))
        raise ConfigError(f"no paper {str(name)!r}: expected one of {known} or a YAML file")
    try:
        contents = yaml.safe_load(path.read_text(encoding="utf-8"))
        tables = {key: _table(key, value) for key, value in contents["tables"].items()}
        return Paper(contents["paper"], contents["title"], path, contents["sources"], tables)
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"{path}: not a paper file: {error!r}") from error


def _table(name: str, contents: Mapping[str, Any]) -> Table:
    columns = [Column(**column) for column in contents["columns"]]
    defaults, rows = contents.get("published", {}), []
    for record in contents["rows"]:
        cells = record.get("published", {})
        published = {key: _cell(cell, defaults) for key, cell in cells.items()}
        unknown = set(published) - {column.name for column in columns}
        if unknown:
            raise ValueError(f"table {name}, row {record['name']}: no columns {sorted(unknown)}")
        rows.append(Row(**{**record, "published": published}))
    return Table(name, contents["title"], columns, rows, contents.get("note", ""))


def _cell(cell: float | Mapping[str, Any], defaults: Mapping[str, Any]) -> Published:
    """A published number; alone it has the source and confidence that its table states."""
    record = cell if isinstance(cell, Mapping) else {"value": cell}
    return Published(**{**defaults, **record})


def check(paper: Paper, repository: str | Path = REPOSITORY) -> list[str]:
    """What is wrong with a paper file: recipes and configs that aren't there, loose ends."""
    root, problems = Path(repository), []
    for table in paper.tables.values():
        for row in table.rows:
            where = f"{paper.path.name}, table {table.name}, row {row.name!r}"
            problems += [f"{where}: {problem}" for problem in _row_problems(row, paper, root)]
        for column in table.columns:
            where = f"{paper.path.name}, table {table.name}, column {column.name!r}"
            if column.recipe is not None:
                exists = (root / column.recipe / "run.sh").is_file()
                if exists == column.planned:
                    state = "exists but is marked planned" if exists else "doesn't exist"
                    problems.append(f"{where}: recipe {column.recipe} {state}")
                elif column.config and not (root / column.recipe / column.config).is_file():
                    problems.append(
                        f"{where}: config {column.recipe}/{column.config} doesn't exist"
                    )
            elif column.planned:
                problems.append(f"{where}: marked planned but names no recipe")
    return problems


def _row_problems(row: Row, paper: Paper, root: Path) -> list[str]:
    problems = [
        f"source {cell.source!r} is not listed"
        for cell in row.published.values()
        if cell.source not in paper.sources
    ]
    if row.reference is not None:
        if row.recipe or row.config:
            problems.append("is a reference only, yet names a recipe or config")
        return problems
    if not row.recipe or not row.config:
        return [*problems, "names no recipe and config, and no reason in 'reference'"]
    if not (root / row.recipe / "run.sh").is_file():
        problems.append(f"recipe {row.recipe} doesn't exist")
    if not (root / row.recipe / row.config).is_file():
        problems.append(f"config {row.recipe}/{row.config} doesn't exist")
    return problems


@dataclass(frozen=True)
class Ours:
    """Our number for a cell: mean over ``num_runs`` runs, and their standard deviation."""

    value: float
    deviation: float
    num_runs: int


def find_ours(row: Row, column: Column, files: Sequence[ResultFile]) -> Ours | None:
    """Our number for a cell, in the column's unit; None if it wasn't run."""
    if row.recipe is None or row.config is None:
        return None
    runs: dict[str, list[Result]] = {}
    for file in files:
        for result in file.results:
            if result.metric == column.metric and _matches(row, column, result):
                run = str(result.scored.get("exp", file.command))
                runs.setdefault(run, []).append(result)
    if not runs:
        return None
    best = [_best(results, column) for results in runs.values()]
    deviation = statistics.stdev(best) if len(best) > 1 else 0.0
    return Ours(statistics.fmean(best), deviation, len(best))


def _best(results: Sequence[Result], column: Column) -> float:
    """One number of a run's layers and checkpoints: the best on a valid set if there was one."""
    if all(CHOSEN_BY in result.scored for result in results):
        return _convert(max(results, key=lambda result: result.scored[CHOSEN_BY]), column)
    pick = min if column.better == "lower" else max
    return pick(_convert(result, column) for result in results)


def _matches(row: Row, column: Column, result: Result) -> bool:
    scored, wanted = result.scored, {**column.match, **row.match}
    config = Path(str(column.config or row.config)).name
    # k-means and a codec that was there already have no training config, their names tell enough;
    # what else was made from a codec has its name, too.
    named = "tokenizer" in wanted or ("codec" in wanted and names_codec(result))
    told = named and scored.get("config") is None
    return (
        scored.get("recipe") in (row.recipe, column.recipe)
        and (told or Path(str(scored.get("config", ""))).name == config)
        and all(scored.get(key) == value for key, value in wanted.items())
    )


def _convert(result: Result, column: Column) -> float:
    if result.unit == column.unit:
        return result.value
    if (result.unit, column.unit) == ("fraction", "percent"):
        return 100 * result.value
    raise ConfigError(
        f"metric {result.metric}: expected unit {column.unit} for column {column.name},"
        f" found {result.unit}"
    )
