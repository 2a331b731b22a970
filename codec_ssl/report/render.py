"""A table of cells as text, Markdown or HTML."""

import html
from collections.abc import Sequence

from codec_ssl.report.paper_table import Column, Ours, Published, Table, find_ours
from codec_ssl.report.results import ResultFile

NOT_RUN = "–"
FORMATS = ("text", "markdown", "html")


def paper_table(table: Table, files: Sequence[ResultFile], style: str = "text") -> str:
    """Published numbers beside ours.

    A cell that wasn't run is a dash; a published number that isn't known is blank.

    Args:
        table: The table.
        files: Results to look our numbers up in.
        style: ``text``, ``markdown`` or ``html``.
    """
    header = ["system"]
    for column in table.columns:
        arrow = "↓" if column.better == "lower" else "↑"
        header += [f"{column.name} {arrow}", "ours"]
    rows = []
    for row in table.rows:
        cells = [row.name]
        for column in table.columns:
            published, ours = row.published.get(column.name), find_ours(row, column, files)
            cells += [_published(published), _ours(ours, published, column)]
        rows.append(cells)
    title = f"Table {table.name}. {table.title}"
    notes = [f"{row.name}: {row.note}" for row in table.rows if row.note]
    notes += [f"{row.name}: not run here: {row.reference}" for row in table.rows if row.reference]
    planned = sorted({str(column.recipe) for column in table.columns if column.planned})
    notes += [f"scored by {recipe}, which is not written yet" for recipe in planned]
    notes = ([table.note] if table.note else []) + notes
    return render(header, rows, style, title=title, notes=notes)


def render(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    style: str,
    *,
    title: str = "",
    notes: Sequence[str] = (),
) -> str:
    """Lay out cells; the first column is text, the others are numbers.

    Raises:
        ValueError: If the style is none of ``text``, ``markdown`` and ``html``.
    """
    if style == "text":
        return _text(header, rows, title, notes)
    if style == "markdown":
        return _markdown(header, rows, title, notes)
    if style == "html":
        return _html(header, rows, title, notes)
    raise ValueError(f"style: expected one of {FORMATS}, found {style!r}")


def _published(cell: Published | None) -> str:
    return "" if cell is None else f"{'>' * cell.above}{cell.value:g}"


def _ours(ours: Ours | None, published: Published | None, column: Column) -> str:
    if ours is None:
        return NOT_RUN
    places = 1 if column.unit == "percent" else 2
    if published is not None:
        _, _, decimals = f"{published.value:g}".partition(".")
        places = max(places, len(decimals))
    spread = f"±{ours.deviation:.{places}f}" if ours.num_runs > 1 else ""
    return f"{ours.value:.{places}f}{spread}"


def _text(
    header: Sequence[str], rows: Sequence[Sequence[str]], title: str, notes: Sequence[str]
) -> str:
    table = [list(header), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
        for line in table
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    head = [title, ""] if title else []
    tail = ["", *(f"* {note}" for note in notes)] if notes else []
    return "\n".join([*head, *lines, *tail]) + "\n"


def _markdown(
    header: Sequence[str], rows: Sequence[Sequence[str]], title: str, notes: Sequence[str]
) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rule = "|---|" + "---:|" * (len(header) - 1)
    head = [f"**{title}**", ""] if title else []
    tail = ["", *(f"- {note}" for note in notes)] if notes else []
    return "\n".join([*head, line(header), rule, *map(line, rows), *tail]) + "\n"


def _html(
    header: Sequence[str], rows: Sequence[Sequence[str]], title: str, notes: Sequence[str]
) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

    parts = ["<table>"]
    if title:
        parts.append(f"<caption>{html.escape(title)}</caption>")
    parts.append(f"<thead>{line(header, 'th')}</thead>")
    parts += ["<tbody>", *(line(row, "td") for row in rows), "</tbody>", "</table>"]
    if notes:
        parts += ["<ul>", *(f"<li>{html.escape(note)}</li>" for note in notes), "</ul>"]
    return "\n".join(parts) + "\n"
