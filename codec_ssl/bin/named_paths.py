"""Parse ``train=DIR,valid=DIR`` options."""

import re
from collections.abc import Sequence

from codec_ssl.errors import ConfigError


def named_paths(option: str, given: str | Sequence[str]) -> dict[str, str]:
    """Split a text at commas that start a new name, so paths may hold commas and spaces.

    Args:
        option: Name of the option, for the message.
        given: Its value, "" gives {}; or a list of ``name=DIR``.

    Raises:
        ConfigError: If a part has no name or no path, or a name comes twice.
    """
    named: dict[str, str] = {}
    if isinstance(given, str):
        given = re.split(r",(?=[\w.-]+=)", given) if given else []
    for part in given:
        name, _, path = part.partition("=")
        if not name or not path or name in named:
            raise ConfigError(f"{option}: expected name=DIR,name=DIR… each once, found {part!r}")
        named[name] = path
    return named
