"""ESPnet data types of ours: ``token_store``, ``feature_cache`` and ``transcripts``."""

from pathlib import Path

from espnet2.train.dataset import DATA_TYPES

from codec_ssl.data.tables import read_table
from codec_ssl.features.cache import FeatureCache
from codec_ssl.tokens.store import TokenStore

NAME = "token_store"
FEATURES, TRANSCRIPTS = "feature_cache", "transcripts"


def load_transcripts(path: str | Path) -> dict[str, str]:
    """Transcripts of Kaldi's ``text``, empty ones among them; the task has refused those by then.

    Raises:
        DataError: If the file cannot be read, or an utterance comes twice.
    """
    return read_table(path, allow_empty=True)


def register() -> None:
    """Add the data types to ESPnet's table; doing it twice changes nothing.

    A store gives ``(T, Q)`` int64 an utterance and a cache ``(T, D)``; both are pickled as their
    paths, so that each worker of a data loader maps the files for itself.
    """
    for name, function, made_by in (
        (NAME, TokenStore, "A folder made by TokenStoreWriter."),
        (FEATURES, FeatureCache, "A folder made by cache_features."),
        (TRANSCRIPTS, load_transcripts, "Kaldi's text file; a task of ours cuts it into pieces."),
    ):
        DATA_TYPES.setdefault(name, {"func": function, "kwargs": [], "help": made_by})
