"""One store of several, such as those of several languages that one model is trained on."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from codec_ssl.errors import TokenError
from codec_ssl.tokens import contract
from codec_ssl.tokens.exchange import Source, import_tokens
from codec_ssl.tokens.files import write_file
from codec_ssl.tokens.store import TokenStore

# What extraction writes beside a codec's codes.
_CODEBOOK = "codebook.safetensors"


def combine_stores(sources: Sequence[TokenStore], path: str | Path) -> TokenStore:
    """Write the utterances of several stores of one maker; goes on where a killed run stopped.

    The codebook vectors beside the first store, if there are any, are put beside the new one.

    Args:
        sources: The stores.
        path: Folder of the new one.

    Raises:
        TokenError: They are of different makers, or an utterance is in two of them.
    """
    first, *others = sources
    for other in others:
        contract.check_pair(first, other)
    owners: dict[str, TokenStore] = {}
    for store in sources:
        for utt in store:
            if utt in owners:
                raise TokenError(
                    f"{store.path}: expected other utterances than in {owners[utt].path}, found "
                    f"{utt} in both"
                )
            owners[utt] = store
    made = import_tokens(
        Source(list(owners), lambda: chain.from_iterable(store.items() for store in sources)),
        path,
        codebook_size=first.meta.sizes,
        frame_rate=first.meta.frame_rate,
        sample_rate=first.meta.sample_rate,
        maker=first.meta.maker,
        shard_utterances=first.meta.shard_utterances,
    )
    if (first.path / _CODEBOOK).is_file():
        write_file(made.path / _CODEBOOK, (first.path / _CODEBOOK).read_bytes())
    return made
