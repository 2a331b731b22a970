"""MLS in its own layout, without audio: its reader opens none."""

from collections.abc import Sequence
from pathlib import Path

COUNT, SECONDS = 4, 36.0


def make_mls(root: Path, languages: Sequence[str]) -> None:
    """Write tables of four utterances, a hundredth of an hour each, a language and part."""
    for number, language in enumerate(languages):
        for offset, part in enumerate(("train", "dev", "test")):
            folder = root / f"mls_{language}" / part
            folder.mkdir(parents=True)
            utts = [f"{20 + 10 * number + offset}_5_{index:06d}" for index in range(COUNT)]
            (folder / "transcripts.txt").write_text("".join(f"{u}\tdes mots\n" for u in utts))
            rows = [f"{u}\tx\t{SECONDS * i}\t{SECONDS * (i + 1)}\n" for i, u in enumerate(utts)]
            (folder / "segments.txt").write_text("".join(rows))
        (root / f"mls_{language}" / "metainfo.txt").write_text("S | G | P\n")
