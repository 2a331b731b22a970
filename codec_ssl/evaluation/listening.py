"""Mean opinion scores of the results that listeners downloaded from a listening page.

Legend: L listeners, U utterances, S systems, R resamples.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from codec_ssl.errors import DataError
from codec_ssl.evaluation.bootstrap import statistic_interval
from codec_ssl.report.listening import REFERENCE
from codec_ssl.report.render import NOT_RUN, render
from codec_ssl.report.results import Result

METRIC = "mos"
SCALE = range(1, 6)


@dataclass(frozen=True)
class Ratings:
    """What listeners said of one page's clips.

    Attributes:
        page: The page's id.
        systems: S names, sorted, the hidden reference last.
        values: ``(S, L, U)`` float64, NaN where a clip was not rated.
    """

    page: str
    systems: list[str]
    values: np.ndarray

    def of(self, system: str) -> np.ndarray:
        """Ratings of one system ``(L, U)``."""
        return self.values[self.systems.index(system)]


def read_ratings(paths: Sequence[str | Path]) -> Ratings:
    """Read JSON files that listeners downloaded.

    Raises:
        DataError: If one is no such file, they are of different pages, or a listener comes twice.
    """
    found: dict[int, tuple[Path, dict[str, Any]]] = {}
    page = None
    for path in map(Path, paths):
        contents = _read(path)
        page = page or contents["page"]
        if contents["page"] != page:
            raise DataError(
                f"{path}: expected ratings of page {page}, as of the files before, found page "
                f"{contents['page']}"
            )
        listener = contents["listener"]
        if listener in found:
            raise DataError(
                f"{path}: expected each listener once, found {listener} in {found[listener][0]} too"
            )
        found[listener] = path, contents
    if not found:
        raise DataError("expected files of ratings, found none")
    rows = [
        (row["system"], place, row["utterance"], row["rating"])
        for place, (_, contents) in enumerate(found.values())
        for row in contents["ratings"]
    ]
    systems = sorted({row[0] for row in rows}, key=lambda name: (name == REFERENCE, name))
    utterances = sorted({row[2] for row in rows})
    values = np.full((len(systems), len(found), len(utterances)), np.nan)
    for system, place, utterance, rating in rows:
        if rating is not None:
            values[systems.index(system), place, utterances.index(utterance)] = rating
    return Ratings(str(page), systems, values)


def _read(path: Path) -> dict[str, Any]:
    try:
        contents = json.loads(path.read_text(encoding="utf-8"))
        ratings = [row["rating"] for row in contents["ratings"]]
        names = [(row["system"], row["utterance"]) for row in contents["ratings"]]
        known = contents["page"], int(contents["listener"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: expected the JSON that a listening page lets download, found {error!r}"
        ) from error
    wrong = [rating for rating in ratings if rating is not None and rating not in SCALE]
    if wrong or len(set(names)) < len(names):
        raise DataError(
            f"{path}: expected a rating from 1 to 5 of each clip, found {wrong[:1] or 'one twice'}"
        )
    return {**contents, "page": known[0], "listener": known[1]}


def mean_opinions(ratings: Ratings) -> list[Result]:
    """Mean score and 95 % interval of each system.

    Listeners are strict or mild in all that they rate, and sentences are easy or hard for all, so
    both are resampled, each by itself (Owen, The pigeonhole bootstrap, 2007). One listener's
    interval therefore says nothing of what others would have heard.
    """
    results = []
    for system in ratings.systems:
        values = ratings.of(system)
        rated = ~np.isnan(values)
        if not rated.any():
            continue
        told = {
            "system": system,
            "page": ratings.page,
            "ratings": int(rated.sum()),
            "listeners": int(rated.any(1).sum()),
            "utterances": int(rated.any(0).sum()),
        }
        interval = _interval(values) if rated.sum() > 1 else None
        results.append(Result(METRIC, float(values[rated].mean()), "mos", told, interval))
    return results


def _interval(values: np.ndarray) -> tuple[float, float]:
    listeners, _ = values.shape
    rated = (~np.isnan(values)).astype(np.float64)
    filled = np.nan_to_num(values)
    mean = filled.sum() / rated.sum()

    def statistic(counts: np.ndarray) -> np.ndarray:
        by_listener, by_utterance = counts[:, :listeners], counts[:, listeners:]
        parts, wholes = (
            np.einsum("rl,lu,ru->r", by_listener, table, by_utterance, optimize=True)
            for table in (filled, rated)
        )
        # Nobody who was drawn rated what was drawn: such a draw says nothing.
        return np.where(wholes > 0, parts / np.maximum(wholes, 1), mean)

    return statistic_interval(statistic, values.shape)


def table(results: Sequence[Result], style: str, *, title: str = "") -> str:
    """A row a system: mean score, interval, ratings, listeners, sentences."""
    rows = []
    for result in results:
        ends = ", ".join(f"{end:.2f}" for end in result.interval or ())
        counts = [str(result.scored[key]) for key in ("ratings", "listeners", "utterances")]
        interval = f"[{ends}]" if ends else NOT_RUN
        rows.append([result.scored["system"], f"{result.value:.2f}", interval, *counts])
    header = ["system", "MOS ↑", "95 % interval", "ratings", "listeners", "sentences"]
    return render(header, rows, style, title=title)
