"""PNMI of n-grams (RepCodec, arXiv 2309.00169, equation 6): phones and tokens of n frames in a row.

PNMI_n = I(s; z) / H(s), where s are the phones and z the tokens of the same n frames. It is read
off counts, so it is too high where n-grams are seen but once: tokens that never come twice "know"
everything. How much of it is that, is told by the same figure with the token n-grams shuffled.

Letters: N frames of all utterances, B utterances, M n-grams.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class NgramPNMI:
    """PNMI of n frames in a row.

    Attributes:
        n: Frames.
        pnmi: I(s; z) / H(s), from counts; 0 if all phone n-grams are equal.
        chance: The same after shuffling the token n-grams: what is left is the bias.
        num_ngrams: M.
        seen_once: Share of the n-grams whose tokens occur but once.
    """

    n: int
    pnmi: float
    chance: float
    num_ngrams: int
    seen_once: float


def ngram_pnmi(
    phones: np.ndarray, tokens: np.ndarray, lengths: np.ndarray, n: int, seed: int = 0
) -> NgramPNMI:
    """Measure PNMI_n within utterances.

    Args:
        phones: Phone of each frame (N,), integers from 0; -1 where there is none. N-grams with
            such a frame are left out.
        tokens: Token of each frame (N,), integers from 0.
        lengths: Frames of each utterance (B,), summing to N.
        n: Frames of an n-gram.
        seed: Of the shuffling.

    Raises:
        ValueError: If the shapes don't fit, or no n consecutive frames have phones.
    """
    if not len(phones) == len(tokens) == lengths.sum():
        raise ValueError(
            f"expected as many phones as tokens as the lengths say, found {len(phones)},"
            f" {len(tokens)} and {lengths.sum()}"
        )
    starts = _starts(phones, lengths, n)
    if not len(starts):
        raise ValueError(f"no {n} consecutive frames of an utterance have phones")
    spoken, made = _ids(phones, starts, n), _ids(tokens, starts, n)
    shuffled = np.random.default_rng(seed).permutation(made)
    _, counts = np.unique(made, return_counts=True)
    return NgramPNMI(
        n,
        _pnmi(spoken, made),
        _pnmi(spoken, shuffled),
        len(starts),
        float((counts == 1).sum() / len(made)),
    )


def joint_ids(tokens: np.ndarray) -> np.ndarray:
    """One id for each combination of streams that occurs: ``(N, Q)`` to ``(N,)``, from 0."""
    ids = tokens[:, 0].astype(np.int64)
    for column in tokens.T[1:]:
        ids = _dense(ids, column)
    return ids


def _starts(phones: np.ndarray, lengths: np.ndarray, n: int) -> np.ndarray:
    """First frames of all n-grams that lie in one utterance and have phones throughout."""
    starts = np.arange(max(0, len(phones) - n + 1))
    ends = np.repeat(np.cumsum(lengths), lengths)[starts]
    silent = np.concatenate(([0], np.cumsum(phones < 0)))
    return starts[(starts + n <= ends) & (silent[starts + n] == silent[starts])]


def _ids(symbols: np.ndarray, starts: np.ndarray, n: int) -> np.ndarray:
    """An id for each different n-gram (M,), from 0: never more of them than n-grams, so no K^n."""
    ids = symbols[starts].astype(np.int64)
    for place in range(1, n):
        ids = _dense(ids, symbols[starts + place])
    return ids


def _dense(ids: np.ndarray, symbols: np.ndarray) -> np.ndarray:
    """Ids from 0 of the pairs of ids and symbols."""
    pairs = ids * (int(symbols.max()) + 1) + symbols
    return np.unique(pairs, return_inverse=True)[1]


def _pnmi(phones: np.ndarray, tokens: np.ndarray) -> float:
    uncertainty = _entropy(phones)
    if uncertainty == 0.0:
        return 0.0
    shared = uncertainty + _entropy(tokens) - _entropy(_dense(phones, tokens))
    return max(0.0, shared / uncertainty)


def _entropy(ids: np.ndarray) -> float:
    """Entropy in nats of the relative frequencies."""
    counts = np.unique(ids, return_counts=True)[1]
    return float(np.log(len(ids)) - (counts * np.log(counts)).sum() / len(ids))
