"""Build parts of a model from the sections of a configuration."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from codec_ssl.errors import ConfigError


def make_part[Part](
    kind: Callable[..., Part], section: str, conf: Mapping[str, Any], **fixed: Any
) -> Part:
    """Call ``kind`` with a section of the config, naming the section in what goes wrong.

    Args:
        kind: A class or function with named parameters.
        section: Name of the section.
        conf: Its options.
        fixed: Arguments that are not for the user to choose.

    Raises:
        ConfigError: An option is unknown or has a wrong value.
    """
    known = set(inspect.signature(kind).parameters) - set(fixed)
    unknown = sorted(set(conf) - known)
    if unknown:
        raise ConfigError(
            f"{section} has unknown options {', '.join(unknown)}; known: {', '.join(sorted(known))}"
        )
    try:
        return kind(**conf, **fixed)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{section}: {error}") from error
