"""Fluent Speech Commands, intents: data dirs train, valid and test.

lhotse has a reader, but it opens each of 30,000 files and leaves the speakers out.
"""

from pathlib import Path

from codec_ssl.data.corpora.clips import read_csv
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError

PARTS = ("train", "valid", "test")
LABELS = ("action", "object", "location")
_FOLDER = "fluent_speech_commands_dataset"


def prepare(corpus_dir: str | Path, out_dir: str | Path) -> list[DataDir]:
    """Write train, valid and test, with ``utt2action``, ``utt2object`` and ``utt2location``.

    Args:
        corpus_dir: The folder with ``data/train_data.csv`` and ``wavs``, or the one above.
        out_dir: Where the data dirs go.

    Raises:
        DataError: A table is missing or malformed, or names a clip twice.
    """
    corpus_dir = Path(corpus_dir)
    if (corpus_dir / _FOLDER).is_dir():
        corpus_dir = corpus_dir / _FOLDER
    return [_write(corpus_dir, part, Path(out_dir, part)) for part in PARTS]


def _write(corpus_dir: Path, part: str, out_dir: Path) -> DataDir:
    wav: dict[str, str] = {}
    utt2spk: dict[str, str] = {}
    text: dict[str, str] = {}
    labels: dict[str, dict[str, str]] = {name: {} for name in LABELS}
    columns = ("path", "speakerId", "transcription", *LABELS)
    for where, row in read_csv(corpus_dir / "data" / f"{part}_data.csv", columns):
        utt_id = Path(row["path"]).stem
        if utt_id in wav:
            raise DataError(f"{where}: expected each clip once, found {utt_id} again")
        wav[utt_id] = str((corpus_dir / row["path"]).absolute())
        utt2spk[utt_id] = row["speakerId"]
        text[utt_id] = " ".join(row["transcription"].split())
        for name in LABELS:
            labels[name][utt_id] = row[name].replace(" ", "_")
    if not wav:
        raise DataError(f"{corpus_dir}/data/{part}_data.csv: expected clips, found none")
    return DataDir.write(out_dir, wav=wav, utt2spk=utt2spk, text=text, labels=labels)
