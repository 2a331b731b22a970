"""A set of a corpus under another name, with the labels that a task asks for."""

from collections.abc import Collection, Mapping
from pathlib import Path

from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.data_dir_edits import write_some


def copy_set(
    source: DataDir,
    path: str | Path,
    *,
    utt_ids: Collection[str] | None = None,
    text: Mapping[str, str] | None = None,
    labels: Mapping[str, Mapping[str, str]] | None = None,
) -> DataDir:
    """Write a data dir with some utterances, transcripts or labels of another.

    Args:
        source: The data dir.
        path: The new one.
        utt_ids: Which; None: those that have all of ``text`` and ``labels``, if any are given.
        text: Transcripts in place of its own.
        labels: By name; its own are left behind.

    Raises:
        DataError: Nothing is left.
    """
    wanted = set(source.utt_ids if utt_ids is None else utt_ids)
    for table in (text, *(labels or {}).values()):
        if table is not None:
            wanted &= table.keys()
    return write_some(source, path, wanted, source.text if text is None else text, labels or {})
