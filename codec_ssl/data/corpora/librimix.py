"""LibriMix, two speakers at once: SUPERB's diarization, as its own data preparation leaves it.

The mixtures and their turns are made by the LibriMix scripts that SUPERB names (for 16 kHz, the
longer of two utterances, with noise); they write Kaldi's files, which are read here. lhotse's
reader makes other mixtures, without the turns' times.
"""

from pathlib import Path

from codec_ssl.data.alignment import Segment
from codec_ssl.data.data_dir import DataDir, parse_segment
from codec_ssl.data.superb.tables import parse_rttm, write_rttm
from codec_ssl.data.tables import read_table
from codec_ssl.errors import DataError

PARTS = {"train": "train", "dev": "valid", "test": "test"}


def prepare(
    corpus_dir: str | Path, out_dir: str | Path, audio_dir: str | Path | None = None
) -> list[DataDir]:
    """Write train, valid and test, with ``rttm``; a mixture is an utterance.

    Args:
        corpus_dir: The folder with ``train``, ``dev`` and ``test``, each with ``wav.scp`` and
            either ``rttm`` or ``segments`` and ``utt2spk``.
        out_dir: Where the data dirs go.
        audio_dir: Where the mixtures are now, if they were made elsewhere: the last four parts of
            each path, such as ``max/dev/mix_both/1.wav``, are sought below it.

    Raises:
        DataError: A file is missing or malformed, or a mixture has no turn.
    """
    return [
        _write(Path(corpus_dir, theirs), Path(out_dir, ours), audio_dir)
        for theirs, ours in PARTS.items()
    ]


def _write(folder: Path, out_dir: Path, audio_dir: str | Path | None) -> DataDir:
    wav = read_table(folder / "wav.scp")
    if audio_dir is not None:
        wav = {name: str(Path(audio_dir, *Path(path).parts[-4:])) for name, path in wav.items()}
    turns = parse_rttm(folder / "rttm") if (folder / "rttm").is_file() else _segments(folder)
    data_dir = DataDir.write(
        out_dir,
        wav={name: str(Path(path).absolute()) for name, path in wav.items()},
        utt2spk={name: name for name in wav},
    )
    write_rttm(data_dir, turns)
    return data_dir


def _segments(folder: Path) -> dict[str, list[Segment]]:
    speakers = read_table(folder / "utt2spk")
    turns: dict[str, list[Segment]] = {}
    for utt, value in read_table(folder / "segments").items():
        where = f"{folder}/segments: {utt}"
        recording, start, end = parse_segment(value, where)
        if end is None or utt not in speakers:
            raise DataError(f"{where}: expected an end and a speaker, found {value!r}")
        turns.setdefault(recording, []).append(Segment(start, end, speakers[utt]))
    return turns
