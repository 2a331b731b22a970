"""How pytest-xdist's workers share the tests (``-n 2 --dist loadgroup``, see run.sh)."""

from collections import Counter
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
WEIGHTS = (("recipe", 10_000), ("slow", 100))


@pytest.hookimpl(tryfirst=True)  # xdist's own hook then sees the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of a file on one worker, and begin with the files that take longest.

    What the tests of a file share (a fixture of the module, often a training) would else be made
    by every worker that gets one of them. Long files at the end would leave a worker idle.
    """
    weights: Counter[str] = Counter()
    groups: dict[pytest.Item, str] = {}
    for item in items:
        mark = item.get_closest_marker("xdist_group")
        group = mark.args[0] if mark else item.path.relative_to(HERE).as_posix()
        if mark is None:
            item.add_marker(pytest.mark.xdist_group(group))
        groups[item] = group
        weights[group] += next((w for name, w in WEIGHTS if item.get_closest_marker(name)), 1)
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: (-weights[groups[item]], groups[item]))
