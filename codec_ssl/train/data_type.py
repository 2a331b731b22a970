"""ESPnet data type ``token_store``: codes or labels of a token store."""

from espnet2.train.dataset import DATA_TYPES

from codec_ssl.tokens.store import TokenStore

NAME = "token_store"


def register() -> None:
    """Add the data type to ESPnet's table; doing it twice changes nothing.

    A store gives ``(T, Q)`` int64 an utterance, and is pickled as its path, so that each worker
    of a data loader maps the files for itself.
    """
    DATA_TYPES.setdefault(
        NAME, {"func": TokenStore, "kwargs": [], "help": "A folder made by TokenStoreWriter."}
    )
