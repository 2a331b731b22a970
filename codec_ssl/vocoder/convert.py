"""Voice conversion: whose voice each utterance gets, and where to hear that voice.

What is drawn depends on seed and utterance alone, so that every system gets the same targets.
"""

import zlib
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError

_TARGET, _REFERENCE = 0, 1


def draw_targets(
    utt2spk: Mapping[str, str], candidates: Collection[str], seed: int = 0
) -> dict[str, str]:
    """Draw another speaker for each utterance.

    Args:
        utt2spk: Who speaks it.
        candidates: Speakers that may be drawn.
        seed: Other seeds draw others.

    Returns:
        The target by utterance.

    Raises:
        DataError: There is no other speaker.
    """
    names, targets = sorted(candidates), {}
    for utt_id, own in utt2spk.items():
        others = [name for name in names if name != own]
        if not others:
            raise DataError(
                f"utterance {utt_id}: expected speakers other than its own, {own}, to convert it "
                f"to, found {len(names)}"
            )
        targets[utt_id] = others[_draw(seed, utt_id, _TARGET, len(others))]
    return targets


def draw_references(
    targets: Mapping[str, str], utt2spk: Mapping[str, str], seed: int = 0
) -> dict[str, str]:
    """Draw an utterance of each target speaker, to compare converted voices with.

    Args:
        targets: See :func:`draw_targets`.
        utt2spk: Speakers of the utterances that may be drawn.
        seed: Other seeds draw others.

    Returns:
        The drawn utterance by converted utterance.

    Raises:
        DataError: A target has none.
    """
    spoken: dict[str, list[str]] = {}
    for utt_id in sorted(utt2spk):
        spoken.setdefault(utt2spk[utt_id], []).append(utt_id)
    references = {}
    for utt_id, target in targets.items():
        if target not in spoken:
            raise DataError(f"expected an utterance of the speaker {target} to compare with")
        theirs = spoken[target]
        references[utt_id] = theirs[_draw(seed, utt_id, _REFERENCE, len(theirs))]
    return references


def write_references(
    path: str | Path, source: DataDir, targets: Mapping[str, str], references: Mapping[str, str]
) -> DataDir:
    """Write a data dir in which each converted utterance is its reference.

    Args:
        path: The data dir to write.
        source: Where the references are.
        targets: Target speaker by converted utterance.
        references: Utterance of ``source`` by converted utterance.
    """
    if not source.segments:
        wav = {utt_id: source.wav_scp[reference] for utt_id, reference in references.items()}
        return DataDir.write(path, wav=wav, utt2spk=targets)
    segments = {utt_id: source.segments[reference] for utt_id, reference in references.items()}
    wav = {recording: source.wav_scp[recording] for recording, _, _ in segments.values()}
    return DataDir.write(path, wav=wav, utt2spk=targets, segments=segments)


def _draw(seed: int, utt_id: str, purpose: int, count: int) -> int:
    random = np.random.default_rng([seed, purpose, zlib.crc32(utt_id.encode())])
    return int(random.integers(count))
