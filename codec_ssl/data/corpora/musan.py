"""MUSAN: noises, music and speech to mix with other speech, one data dir each.

lhotse downloads it; no audio file is opened here, so one that is broken is reported by its reader.
"""

from collections.abc import Sequence
from pathlib import Path

from codec_ssl.data.corpora.clips import Clip, write_part
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError

PARTS = ("noise", "music", "speech")


def download(target_dir: str | Path) -> Path:
    """Download and unpack it from OpenSLR with lhotse; returns the corpus folder."""
    from lhotse.recipes.musan import download_musan  # takes seconds to import

    return Path(download_musan(target_dir))


def prepare(
    corpus_dir: str | Path, out_dir: str | Path, parts: Sequence[str] = PARTS
) -> list[DataDir]:
    """Write ``out_dir/<part>``, with ``utt2source``: the subfolder that a file is in.

    Args:
        corpus_dir: The folder ``musan``, or the folder above.
        out_dir: Where the data dirs go.
        parts: Of ``PARTS``.

    Raises:
        DataError: If a part is not there, or has no audio.
    """
    corpus_dir = Path(corpus_dir)
    if (corpus_dir / "musan").is_dir():
        corpus_dir = corpus_dir / "musan"
    return [_prepare_part(corpus_dir / part, Path(out_dir) / part) for part in parts]


def _prepare_part(folder: Path, path: Path) -> DataDir:
    files = sorted(folder.rglob("*.wav"))
    if not files:
        found = "none" if folder.is_dir() else "no such folder"
        raise DataError(f"{folder}: expected WAVs of MUSAN, found {found}", "data")
    return write_part(path, {file.stem: Clip(file, {"source": file.parent.name}) for file in files})
