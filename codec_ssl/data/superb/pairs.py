"""Trials of speaker verification drawn among the utterances of a few speakers."""

from collections.abc import Mapping, Sequence

import numpy as np

from codec_ssl.data.superb.tables import Trial
from codec_ssl.errors import DataError

PAIRS = 10


def draw_trials(
    utt2spk: Mapping[str, str],
    groups: Mapping[str, str] | None = None,
    pairs: int = PAIRS,
    seed: int = 0,
) -> list[Trial]:
    """Pair each utterance with others of its speaker, and with as many of others.

    Args:
        utt2spk: Speaker of each utterance.
        groups: What each utterance belongs to, such as its corpus: pairs are of one group, so that
            microphones tell nothing.
        pairs: Most pairs of either kind that an utterance is the first of.
        seed: Other seeds draw other pairs.

    Returns:
        Trials without a pair that comes twice, sorted.

    Raises:
        DataError: There is no pair of one speaker, or none of two.
    """
    random = np.random.default_rng(seed)
    chosen: dict[tuple[str, str], bool] = {}
    for utt_id, speaker in sorted(utt2spk.items()):
        others = [
            other
            for other in sorted(utt2spk)
            if other != utt_id and (groups is None or groups[other] == groups[utt_id])
        ]
        same = [other for other in others if utt2spk[other] == speaker]
        different = [other for other in others if utt2spk[other] != speaker]
        count = min(pairs, len(same), len(different))
        for target, candidates in ((True, same), (False, different)):
            for other in _draw(candidates, count, random):
                if (other, utt_id) not in chosen:
                    chosen[utt_id, other] = target
    if len(set(chosen.values())) < 2:
        raise DataError(
            f"trials: expected two speakers with two utterances each, found {len(utt2spk)} "
            f"utterances of {sorted(set(utt2spk.values()))[:5]}"
        )
    return [Trial(target, *pair) for pair, target in sorted(chosen.items())]


def _draw(items: Sequence[str], count: int, random: np.random.Generator) -> list[str]:
    return [items[place] for place in sorted(random.permutation(len(items))[:count])]
