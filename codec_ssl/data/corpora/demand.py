"""DEMAND: background noise of everyday places, ``DKITCHEN/ch01.wav`` and so on, one data dir.

It was recorded with 16 microphones a few centimetres apart, each in a file; one of them is taken,
since their mean would be a filter and all of them the same noise 16 times.
"""

from pathlib import Path

from codec_ssl.data.corpora.clips import Clip, write_part
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError

MICROPHONES = 16


def prepare(corpus_dir: str | Path, out_dir: str | Path, microphone: int = 1) -> list[DataDir]:
    """Write ``out_dir/demand``, an utterance a place, with ``utt2kind``: its first letter.

    The letters are those of the corpus: Domestic, Nature, Office, Public, Street, Transportation.

    Args:
        corpus_dir: The folder with the places' folders in it, at any depth.
        out_dir: Where the data dir goes.
        microphone: 1 to 16.

    Raises:
        DataError: If there is no such microphone, or no place.
    """
    if not 1 <= microphone <= MICROPHONES:
        raise DataError(f"expected a microphone from 1 to {MICROPHONES}, found {microphone}")
    name = f"ch{microphone:02d}.wav"
    files = sorted(Path(corpus_dir).rglob(name))
    if not files:
        found = "none" if Path(corpus_dir).is_dir() else "no such folder"
        raise DataError(f"{corpus_dir}: expected DKITCHEN/{name} or the like, found {found}")
    clips = {file.parent.name: Clip(file, {"kind": file.parent.name[0]}) for file in files}
    if len(clips) < len(files):
        raise DataError(
            f"{corpus_dir}: expected each place once, found {len(files)} {name} of {len(clips)} "
            "places: unpack one sample rate only"
        )
    return [write_part(Path(out_dir) / "demand", clips)]
