"""What results say of speech that was made of units, beside what they say of a codec."""

import math
from pathlib import Path

from codec_ssl.asr.speech import describe
from codec_ssl.errors import ConfigError
from codec_ssl.report.vocoder import SPEECH
from codec_ssl.tokens.store import TokenStore


def describe_speech(
    kind: str | None, units: str | Path | None, num_codebooks: int | None = None
) -> dict[str, str | float | None]:
    """Entries of ``Result.scored``.

    Args:
        kind: One of ``report.vocoder.KINDS``; None: no speech of that sort, nothing is said.
        units: Token store that the speech was made of; None: of no units.
        num_codebooks: The first so many of its codebooks were used; None: all.

    Returns:
        ``speech``, the kind; ``features``, ``tokenizer`` and ``sizes`` as in other tables;
        ``kbps``, that of the codes.

    Raises:
        ConfigError: If units are given without a kind, or more codebooks are said than there are.
    """
    if kind is None:
        if units is not None:
            raise ConfigError("--units: expected --speech to say what was made of them, found none")
        return {}
    if units is None:
        return {SPEECH: kind}
    store = TokenStore(units)
    sizes = store.meta.sizes[:num_codebooks]
    if num_codebooks is not None and len(sizes) < num_codebooks:
        raise ConfigError(
            f"{units}: expected {num_codebooks} codebooks at least, found {len(sizes)}"
        )
    kbps = sum(map(math.log2, sizes)) * store.frame_rate / 1000
    told = {**describe(store), "sizes": "x".join(map(str, sizes))}
    return {SPEECH: kind, **told, "kbps": round(kbps, 4)}
