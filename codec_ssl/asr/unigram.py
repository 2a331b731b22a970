"""The least that a model of text must beat: pieces drawn one by one, whatever stood before."""

from collections.abc import Iterable, Mapping

import numpy as np

from codec_ssl.asr.text import END, Pieces


def unigram_losses(
    pieces: Pieces, training: Iterable[str], texts: Mapping[str, str]
) -> dict[str, tuple[float, int]]:
    """Negative log-likelihood of transcripts under the frequencies of training transcripts.

    Every piece is counted once more than it was seen, and every text ends in the end.

    Args:
        pieces: What texts are cut into.
        training: Transcripts that are counted.
        texts: Transcripts by utterance.

    Returns:
        The loss of each transcript with its end, and its pieces with the end.
    """
    counts = np.ones(len(pieces))
    for text in training:
        np.add.at(counts, pieces.encode(text), 1)
        counts[END] += 1
    losses = -np.log(counts / counts.sum())
    cut = {utt_id: pieces.encode(text) for utt_id, text in texts.items()}
    return {
        utt_id: (float(losses[ids].sum() + losses[END]), len(ids) + 1)
        for utt_id, ids in cut.items()
    }
