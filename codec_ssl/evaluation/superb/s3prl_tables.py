"""Our data dirs as the tables that s3prl's problems read: one CSV a set.

Its loaders take whole audio files. What is a part of one, or has another rate where they don't
resample (diarization), is written out beside the table.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas

from codec_ssl.data.audio import AudioSource, BadAudio, audio_info, read_audio
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.superb.tables import PHONES, SLOTS, read_rttm, read_symbols, read_trials
from codec_ssl.data.wav_file import write_wav
from codec_ssl.errors import DataError

SAMPLE_RATE = 16000
type Row = dict[str, Any]


def write_table(task: str, data_dir: DataDir, path: Path) -> None:
    """Write the table of a set.

    Args:
        task: ``ks``, ``sid``, ``er``, ``ic``, ``pr``, ``asr``, ``sf``, ``sv`` or ``sd``.
        data_dir: The set.
        path: The CSV file; audio that is written goes into a folder beside it.

    Raises:
        DataError: The data dir lacks labels or audio, or s3prl would read the table otherwise.
    """
    audio = Audio(data_dir, path.with_suffix(""), resample=task == "sd")
    rows = list(_ROWS[task](data_dir, audio))
    if not rows:
        raise DataError(f"{data_dir.path}: expected labelled utterances, found none", "data")
    _write(rows, path, data_dir)


def write_trials(data_dir: DataDir, path: Path) -> None:
    """Write the table of a set's trials.

    Raises:
        DataError: As ``write_table``.
    """
    audio = Audio(data_dir, path.with_suffix(""))
    rows = [
        {
            "id1": trial.enrol,
            "id2": trial.test,
            "wav_path1": audio.path(trial.enrol),
            "wav_path2": audio.path(trial.test),
            "label": int(trial.target),
        }
        for trial in read_trials(data_dir)
    ]
    _write(rows, path, data_dir)


class Audio:
    """Whole files of utterances.

    Args:
        data_dir: The set.
        folder: Where files are written that are not there yet.
        resample: Whether all must have 16 kHz and one channel.
    """

    def __init__(self, data_dir: DataDir, folder: Path, resample: bool = False) -> None:
        self._data_dir, self._folder, self._resample = data_dir, folder, resample

    def path(self, utt_id: str) -> str:
        """Path of a file that holds the utterance and nothing else."""
        return str(self._whole(utt_id).absolute())

    def seconds(self, utt_id: str) -> float:
        """Length of the utterance."""
        return audio_info(self.path(utt_id)).duration

    def _whole(self, utt_id: str) -> Path:
        source = self._data_dir.source(utt_id)
        written = self._folder / f"{utt_id}.wav"
        try:
            if not written.is_file():
                if self._is_whole(source):
                    return Path(source.path)
                write_wav(written, read_audio(source, SAMPLE_RATE)[0], SAMPLE_RATE)
        except BadAudio as error:
            raise DataError(f"{self._data_dir.path}: {error}", "data") from error
        return written

    def _is_whole(self, source: AudioSource) -> bool:
        if source.start is not None or source.end is not None:
            return False
        if not self._resample:
            return True
        info = audio_info(source)
        return (info.sample_rate, info.channels) == (SAMPLE_RATE, 1)


def unmarked(tokens: Sequence[str], where: str) -> tuple[list[str], list[str]]:
    """Words of a sentence with marked slots, and the slot of each word, ``O`` for none.

    Raises:
        DataError: A slot is not closed, or closed though it is not open.
    """
    words: list[str] = []
    slots: list[str] = []
    inside = "O"
    for token in tokens:
        if inside == "O" and token.startswith("B-"):
            inside = token[2:]
        elif token == f"E-{inside}":
            inside = "O"
        else:
            words.append(token)
            slots.append(inside)
    if inside != "O":
        raise DataError(f"{where}: expected E-{inside} after B-{inside}, found the end", "data")
    return words, slots


def _labelled(*names: str) -> Callable[[DataDir, Audio], Iterator[Row]]:
    """Rows of utterances with a label each; several lie in one column."""

    def rows(data_dir: DataDir, audio: Audio) -> Iterator[Row]:
        tables = [data_dir.utt2spk if name == "spk" else data_dir.labels(name) for name in names]
        for utt_id in data_dir.utt_ids:
            if all(utt_id in table for table in tables):
                label = " ; ".join(table[utt_id] for table in tables)
                column = "label" if len(names) == 1 else "labels"
                yield {"id": utt_id, "wav_path": audio.path(utt_id), column: label}

    return rows


def _speakers(data_dir: DataDir, audio: Audio) -> Iterator[Row]:
    for row in _labelled("spk")(data_dir, audio):
        yield {"id": row["id"], "wav_path": row["wav_path"], "spk": row["label"]}


def _phones(data_dir: DataDir, audio: Audio) -> Iterator[Row]:
    for utt_id, phones in read_symbols(data_dir, PHONES).items():
        yield _transcribed(utt_id, audio, " ".join(phones))


def _texts(data_dir: DataDir, audio: Audio) -> Iterator[Row]:
    for utt_id in data_dir.utt_ids:
        if utt_id in data_dir.text:
            yield _transcribed(utt_id, audio, data_dir.text[utt_id])


def _slots(data_dir: DataDir, audio: Audio) -> Iterator[Row]:
    for utt_id, tokens in read_symbols(data_dir, SLOTS).items():
        words, slots = unmarked(tokens, f"{data_dir.path / SLOTS}: {utt_id}")
        yield {**_transcribed(utt_id, audio, " ".join(words)), "iob": " ".join(slots)}


def _transcribed(utt_id: str, audio: Audio, text: str) -> Row:
    return {"id": utt_id, "wav_path": audio.path(utt_id), "transcription": text}


def _turns(data_dir: DataDir, audio: Audio) -> Iterator[Row]:
    for utt_id, turns in read_rttm(data_dir).items():
        wav_path, seconds = audio.path(utt_id), audio.seconds(utt_id)
        for number, (start, end, speaker) in enumerate(turns):
            yield {
                "record_id": utt_id,
                "duration": seconds,
                "wav_path": wav_path,
                "utt_id": f"{utt_id}_{number:04d}",
                "speaker": speaker,
                "start_sec": start,
                "end_sec": min(end, seconds),
            }


_ROWS: Mapping[str, Callable[[DataDir, Audio], Iterator[Row]]] = {
    "ks": _labelled("command"),
    "sid": _labelled("spk"),
    "er": _labelled("emotion"),
    "ic": _labelled("action", "object", "location"),
    "pr": _phones,
    "asr": _texts,
    "sf": _slots,
    "sv": _speakers,
    "sd": _turns,
}


def _write(rows: Sequence[Row], path: Path, data_dir: DataDir) -> None:
    """Write the table, and read it as s3prl does: pandas takes some words for numbers or gaps."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pandas.DataFrame(rows)
    table.to_csv(path, index=False)
    found = pandas.read_csv(path)
    for column in found:
        wrong = found[column].isna()
        # Labels may be numbers, and stay apart as such; ids and sentences may not.
        if column in ("id", "id1", "id2", "record_id", "transcription", "iob"):
            wrong |= found[column].astype(str) != table[column]
            if not wrong.any() and not pandas.api.types.is_string_dtype(found[column]):
                wrong |= True
        if wrong.any():
            value = table[column][wrong].iloc[0]
            raise DataError(
                f"{path}: s3prl reads its tables with pandas, which doesn't take {value!r} in"
                f" {column} for text: name it otherwise in {data_dir.path}",
                "data",
            )
