"""Benchmarks of the repository, run in the tests' own process."""

import importlib
import sys

from codec_ssl.report.paper_table import REPOSITORY

FOLDER = REPOSITORY / "tools" / "benchmarks"


def run_benchmark(monkeypatch, name, *options):
    """Run ``tools/benchmarks/<name>.py`` with these options."""
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setattr(sys, "argv", [name, *map(str, options)])
    importlib.import_module(name).main()
