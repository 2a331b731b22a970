"""What a data dir holds, by its files' headers: hours, rates, lengths, and what cannot be used."""

import math
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import batched

from codec_ssl.data.audio import AudioInfo, AudioSource, BadAudio, BadAudioLog, audio_info
from codec_ssl.data.data_dir import DataDir

UNKNOWN = "none"
_AT_ONCE = 10_000


@dataclass(frozen=True)
class Statistics:
    """Of a data dir.

    Attributes:
        seconds: Duration of each utterance that can be used, in the data dir's order.
        rates: Utterances by the rate of their file, in Hz.
        bad: The other utterances, with the reasons.
    """

    seconds: dict[str, float] = field(repr=False)
    rates: Counter[int]
    bad: BadAudioLog

    @property
    def hours(self) -> float:
        """Hours in all."""
        return sum(self.seconds.values()) / 3600

    def num_samples(self, sample_rate: int) -> dict[str, int]:
        """Samples of each utterance at a rate, as a shape file has them."""
        return {utt: math.ceil(seconds * sample_rate) for utt, seconds in self.seconds.items()}

    def hours_by(self, labels: Mapping[str, str]) -> dict[str, tuple[int, float]]:
        """Utterances and hours of each label, most hours first; ``none`` has those without."""
        groups: dict[str, tuple[int, float]] = {}
        for utt_id, seconds in self.seconds.items():
            label = labels.get(utt_id, UNKNOWN)
            count, hours = groups.get(label, (0, 0.0))
            groups[label] = (count + 1, hours + seconds / 3600)
        return dict(sorted(groups.items(), key=lambda item: -item[1][1]))


def measure(data_dir: DataDir, num_threads: int = 4) -> Statistics:
    """Open the files of a data dir; samples are decoded only where a header has no length.

    Args:
        data_dir: The data dir.
        num_threads: Files opened at a time.
    """
    found = Statistics({}, Counter(), BadAudioLog())
    with ThreadPoolExecutor(num_threads) as pool:
        # A pool holds a task for each utterance that it was given: MLS has ten million.
        for utt_ids in batched(data_dir.utt_ids, _AT_ONCE):
            infos = pool.map(_info, map(data_dir.source, utt_ids))
            for utt_id, info in zip(utt_ids, infos, strict=True):
                if isinstance(info, BadAudio):
                    found.bad.add_error(utt_id, info)
                    continue
                found.seconds[utt_id] = info.duration
                found.rates[info.sample_rate] += 1
    return found


def _info(source: AudioSource) -> AudioInfo | BadAudio:
    try:
        return audio_info(source)
    except BadAudio as error:
        return error
