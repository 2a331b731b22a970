"""How pytest-xdist's workers share the tests (see run.sh).

``xdist_group`` and ``--dist loadgroup`` are not used: xdist 3.8 marks groups in an attribute that
nodes of pytest 9.2 no longer have, and says nothing.
"""

from collections import Counter
from typing import Any

import pytest

# Files with a session's fixture in common, here the run of a recipe, count as the one named.
TOGETHER = {
    "test/egs2/test_mini_hear1.py": "test/egs2/test_mini_mae1.py",
    "test/egs2/test_mini_voc1.py": "test/egs2/test_mini_tok1.py",
}
WEIGHTS = (("recipe", 10_000), ("slow", 100))


def group_of(nodeid: str) -> str:
    """Name of the group whose tests stay on one worker."""
    file = nodeid.partition("::")[0]
    return TOGETHER.get(file, file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the tests of a file on one worker (``--dist loadfile``), and of files that share.

    What the tests of a file share (a fixture of the module, often a training) would else be made
    by every worker that gets one of them.
    """
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class LoadGroups(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return LoadGroups(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes longest: long files at the end would leave a worker idle."""
    if not hasattr(config, "workerinput"):
        return
    weights: Counter[str] = Counter()
    for item in items:
        weight = next((w for name, w in WEIGHTS if item.get_closest_marker(name)), 1)
        weights[group_of(item.nodeid)] += weight
    items.sort(key=lambda item: (-weights[group_of(item.nodeid)], group_of(item.nodeid)))
