"""How much of one token store is the same in another one, such as that of the decoded audio.

U utterances, T frames, Q codebooks.
"""

import numpy as np

from codec_ssl.errors import TokenError
from codec_ssl.tokens.reader import TokenStore


def count_equal(store: TokenStore, other: TokenStore) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Count equal codes, frame by frame.

    Args:
        store: Codes ``(T, Q)`` of each utterance.
        other: Codes of the same utterances; where an utterance has a frame more in one of the
            two, the frames that both have are compared.

    Returns:
        The utterances that both have, the equal codes ``(U, Q)`` and the frames compared ``(U,)``.

    Raises:
        TokenError: If the stores have no utterance in common, other sizes, or lengths that are
            more than a frame apart.
    """
    if store.meta.sizes != other.meta.sizes:
        raise TokenError(
            f"{other.path}: expected codebooks of {store.meta.sizes} as in {store.path}, found "
            f"{other.meta.sizes}"
        )
    utt_ids = [utt_id for utt_id in store.utt_ids if utt_id in other]
    if not utt_ids:
        raise TokenError(f"{other.path}: expected utterances of {store.path}, found none of them")
    equal = np.zeros((len(utt_ids), store.meta.num_codebooks), dtype=np.int64)
    frames = np.zeros(len(utt_ids), dtype=np.int64)
    for row, utt_id in enumerate(utt_ids):
        ours, theirs = store[utt_id], other[utt_id]
        if abs(len(ours) - len(theirs)) > 1:
            raise TokenError(
                f"{other.path}: {utt_id}: expected {len(ours)} frames as in {store.path}, give or "
                f"take one, found {len(theirs)}"
            )
        frames[row] = min(len(ours), len(theirs))
        equal[row] = (ours[: frames[row]] == theirs[: frames[row]]).sum(0)
    return utt_ids, equal, frames
