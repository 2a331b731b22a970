"""Parse ``train=DIR,valid=DIR`` options."""

import re

from codec_ssl.errors import ConfigError


def named_paths(option: str, text: str) -> dict[str, str]:
    """Split at commas that start a new name, so paths may hold commas and spaces.

    Args:
        option: Name of the option, for the message.
        text: Its value; "" gives {}.

    Raises:
        ConfigError: If a part has no name or no path, or a name comes twice.
    """
    named: dict[str, str] = {}
    for part in re.split(r",(?=[\w.-]+=)", text) if text else []:
        name, _, path = part.partition("=")
        if not name or not path or name in named:
            raise ConfigError(f"{option}: expected name=DIR,name=DIR… each once, found {part!r}")
        named[name] = path
    return named
