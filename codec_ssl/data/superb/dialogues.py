"""Two speakers at a time: mixtures of utterances whose phone times say who speaks when."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from codec_ssl.data.alignment import Segment, is_pause
from codec_ssl.data.audio import read_audio
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.superb.tables import write_rttm
from codec_ssl.data.wav_file import write_wav
from codec_ssl.errors import DataError

# A shorter silence within a turn is a part of it.
_PAUSE_SECONDS = 0.2
# How much of the shorter utterance both may say at once.
_MAX_OVERLAP = 0.8
_PEAK = 0.9


def make_dialogues(
    source: DataDir, utt_ids: Sequence[str], path: str | Path, seed: int = 0, rate: int = 16000
) -> DataDir:
    """Write mixtures of two utterances of different speakers, with ``rttm``.

    Each utterance is used once. The second begins while the first is spoken, by a random part of
    the shorter one.

    Args:
        source: The data dir; it has ``phones.ctm``.
        utt_ids: Utterances to mix.
        path: The new data dir, with the audio in ``wav``.
        seed: Of the pairs and of the overlaps.
        rate: Sample rate of the audio, Hz.

    Raises:
        DataError: There are not two speakers, or an utterance has no phones.
    """
    random = np.random.default_rng(seed)
    wav, turns = {}, {}
    for first, second in _pairs(source, utt_ids, random):
        name = f"{first}_{second}"
        sounds = [read_audio(source.source(utt), rate)[0] for utt in (first, second)]
        overlap = random.uniform(0, _MAX_OVERLAP) * min(map(len, sounds))
        shift = len(sounds[0]) - int(overlap)
        mixed = np.zeros(max(len(sounds[0]), shift + len(sounds[1])), np.float32)
        mixed[: len(sounds[0])] += sounds[0]
        mixed[shift : shift + len(sounds[1])] += sounds[1]
        mixed *= min(1.0, _PEAK / max(float(np.abs(mixed).max()), 1e-3))
        file = Path(path, "wav", f"{name}.wav").absolute()
        write_wav(file, mixed, rate)
        wav[name] = str(file)
        turns[name] = [
            Segment(start + offset, end + offset, source.utt2spk[utt])
            for utt, offset in ((first, 0.0), (second, shift / rate))
            for start, end in _spoken(source, utt)
        ]
    data_dir = DataDir.write(path, wav=wav, utt2spk={name: name for name in wav})
    write_rttm(data_dir, turns)
    return data_dir


def _pairs(
    source: DataDir, utt_ids: Sequence[str], random: np.random.Generator
) -> list[tuple[str, str]]:
    """Pair utterances in a random order, each with the next one of another speaker."""
    left = [utt_ids[place] for place in random.permutation(len(utt_ids))]
    pairs = []
    while left:
        first = left.pop()
        speaker = source.utt2spk[first]
        others = [utt for utt in left if source.utt2spk[utt] != speaker]
        if others:
            left.remove(others[-1])
            pairs.append((first, others[-1]))
    if not pairs:
        raise DataError(f"{source.path}: expected utterances of two speakers, found {len(utt_ids)}")
    return pairs


def _spoken(source: DataDir, utt_id: str) -> list[tuple[float, float]]:
    """Stretches of speech of an utterance, short pauses within them included."""
    if utt_id not in source.phones:
        raise DataError(f"{source.path}/phones.ctm: expected phones of {utt_id}, found none")
    spoken: list[tuple[float, float]] = []
    for start, end, label in source.phones[utt_id]:
        if is_pause(label):
            continue
        if spoken and start - spoken[-1][1] < _PAUSE_SECONDS:
            spoken[-1] = (spoken[-1][0], end)
        else:
            spoken.append((start, end))
    return spoken
