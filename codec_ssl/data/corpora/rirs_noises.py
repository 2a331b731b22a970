"""RIRS_NOISES (OpenSLR 28): room responses, real and simulated, and noises; one data dir each.

lhotse downloads it; no audio file is opened here, since there are 60,000 simulated responses.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from codec_ssl.data.corpora.clips import Clip, write_part
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError

_ROOMS = ("small", "medium", "large")
_FOLDERS = {
    "point_noise": "pointsource_noises",
    "iso_noise": "real_rirs_isotropic_noises",
    "real_rir": "real_rirs_isotropic_noises",
    "sim_rir": "simulated_rirs",
}
PARTS = tuple(_FOLDERS)


def download(target_dir: str | Path) -> Path:
    """Download and unpack it from OpenSLR with lhotse; returns the corpus folder."""
    from lhotse.recipes.rir_noise import download_rir_noise  # takes seconds to import

    return Path(download_rir_noise(target_dir))


def prepare(
    corpus_dir: str | Path, out_dir: str | Path, parts: Sequence[str] = PARTS
) -> list[DataDir]:
    """Write ``out_dir/<part>``; simulated responses have ``utt2size``, such as ``small``.

    Args:
        corpus_dir: The folder ``RIRS_NOISES``, or the folder above.
        out_dir: Where the data dirs go.
        parts: Of ``PARTS``. Names and ids are lhotse's; but ``real_rir`` has all 325 responses,
            those of the AIR database too, whose names lack the "rir" that lhotse looks for.

    Raises:
        DataError: If a part is not there, or has no audio.
    """
    corpus_dir = Path(corpus_dir)
    if (corpus_dir / "RIRS_NOISES").is_dir():
        corpus_dir = corpus_dir / "RIRS_NOISES"
    made = []
    for part in parts:
        clips = dict(_clips(corpus_dir, part))
        if not clips:
            raise DataError(f"{corpus_dir}: expected WAVs in {_FOLDERS[part]}, found none", "data")
        made.append(write_part(Path(out_dir) / part, clips))
    return made


def _clips(corpus_dir: Path, part: str) -> Iterator[tuple[str, Clip]]:
    for file in sorted((corpus_dir / _FOLDERS[part]).rglob("*.wav")):
        is_noise = "noise" in file.stem
        if (part == "real_rir" and is_noise) or (part == "iso_noise" and not is_noise):
            continue
        # Rooms of all sizes have the same names.
        size = next((size for size in _ROOMS if f"{size}room" in file.parts), "")
        yield f"{size}-{file.stem}" if size else file.stem, Clip(file, {"size": size})
