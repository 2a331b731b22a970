"""What tests of command lines share."""

import sys

import pytest


@pytest.fixture(scope="module")
def call():
    """Run a command line."""

    def command(module, *options):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["command", *map(str, options)])
            module.main()

    return command
