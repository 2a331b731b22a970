"""VCTK, 110 speakers of English: data dirs ``vctk_train``, ``vctk_valid`` and ``vctk_test``.

Versions 0.92 (two microphones, FLAC, silence trimmed) and 0.80 (one, WAV). Not through lhotse's
``prepare_vctk``: that opens all 88,000 files, both microphones', and ends at the first transcript
whose audio is missing, of which the corpus itself has some. Known gaps: in 0.92 the second
microphone failed for p280 and p315; p315 has no transcripts in either version; single files of
p362 and others are missing.
"""

import logging
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from codec_ssl.data.corpora.partition import Partition
from codec_ssl.data.data_dir import DataDir, only
from codec_ssl.data.tables import numbered_lines
from codec_ssl.errors import DataError

MICROPHONES = ("mic1", "mic2")
_TRIMMED, _PLAIN = "wav48_silence_trimmed", "wav48"
_TABLE = "speaker-info.txt"
_COLUMNS = {"AGE": 1, "GENDER": 2, "ACCENTS": 3}
_GENDERS = ("F", "M")

_logger = logging.getLogger(__name__)


def prepare(
    corpus_dir: str | Path,
    out_dir: str | Path,
    *,
    partition: Partition | None = None,
    microphone: str = MICROPHONES[1],
    without: Collection[str] = (),
) -> list[DataDir]:
    """Write the data dirs: utterances such as ``p225_001``, their speaker, text and labels.

    What lacks a transcript, or audio of the microphone, is left out and counted in the log. No
    audio file is opened: one that is broken stays in, and the stage that reads it reports it.
    ``utt2gender`` and ``utt2accent`` come from the corpus's table of speakers where it is there.

    Args:
        corpus_dir: The folder with ``txt`` and ``wav48_silence_trimmed`` (0.92) or ``wav48``.
        out_dir: Where the data dirs go.
        partition: Which utterances are whose; default: drawn, nine tenths for training.
        microphone: Of 0.92: ``mic2`` (as Polyak et al. 2021 take) or ``mic1``; 0.80 has one.
        without: Speakers to leave out.

    Raises:
        DataError: If folders are missing, nothing has both transcript and audio, a speaker to
            leave out is not there, or the partition fails.
    """
    corpus_dir = Path(corpus_dir)
    audio = _audio_files(corpus_dir, microphone)
    text = _transcripts(corpus_dir)
    speakers = {utt: utt.rpartition("_")[0] for utt in audio.keys() & text.keys()}
    missing = sorted(set(without) - set(speakers.values()))
    if missing or not speakers:
        raise DataError(
            f"{corpus_dir}: expected "
            + (f"speakers {', '.join(missing)} to leave out" if missing else "VCTK's utterances")
            + f", found {', '.join(sorted(set(speakers.values()))) or 'none'}"
        )
    _report("audio of the microphone", text.keys() - audio.keys(), corpus_dir)
    _report("transcript", audio.keys() - text.keys(), corpus_dir)
    speakers = {utt: speaker for utt, speaker in speakers.items() if speaker not in without}
    labels = _labels(corpus_dir, speakers)
    parts = (partition or Partition()).divide(speakers)
    return [
        DataDir.write(
            Path(out_dir, f"vctk_{part}"),
            wav={utt: str(audio[utt].absolute()) for utt in chosen},
            utt2spk=only(speakers, set(chosen)),
            text=only(text, set(chosen)),
            labels={name: only(table, set(chosen)) for name, table in labels.items()},
        )
        for part, chosen in parts.items()
    ]


def _audio_files(corpus_dir: Path, microphone: str) -> dict[str, Path]:
    if microphone not in MICROPHONES:
        raise DataError(f"VCTK: expected a microphone of {MICROPHONES}, found {microphone!r}")
    ending = f"_{microphone}"
    if (corpus_dir / _TRIMMED).is_dir():
        found = corpus_dir.glob(f"{_TRIMMED}/*/*{ending}.flac")
    elif (corpus_dir / _PLAIN).is_dir():
        found = corpus_dir.glob(f"{_PLAIN}/*/*.wav")
    else:
        raise DataError(f"{corpus_dir}: expected a folder {_TRIMMED} or {_PLAIN}, found neither")
    return {path.stem.removesuffix(ending): path for path in found}


def _transcripts(corpus_dir: Path) -> dict[str, str]:
    """One line a file; what is empty counts as missing."""
    text = {}
    for path in corpus_dir.glob("txt/*/*.txt"):
        words = " ".join(" ".join(line for _, line in numbered_lines(path)).split())
        if words:
            text[path.stem] = words
    return text


def _report(what: str, utterances: Collection[str], corpus_dir: Path) -> None:
    if utterances:
        counts = Counter(utt.rpartition("_")[0] for utt in utterances)
        _logger.warning(
            "%s: %d utterances have no %s and are left out: %s",
            corpus_dir,
            len(utterances),
            what,
            ", ".join(f"{speaker} {count}" for speaker, count in sorted(counts.items())),
        )


def _labels(corpus_dir: Path, speakers: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Language, gender and accent of each utterance.

    Raises:
        DataError: If a row of the table has no age, gender and accent.
    """
    labels = {"lang": dict.fromkeys(speakers, "english")}
    table = corpus_dir / _TABLE
    if not table.is_file():
        return labels
    about = {}
    for number, line in numbered_lines(table):
        cells = line.split()
        if not cells or cells[0] == "ID":
            continue
        if len(cells) <= max(_COLUMNS.values()) or cells[_COLUMNS["GENDER"]] not in _GENDERS:
            raise DataError(
                f"{table}:{number}: expected a speaker's age, gender and accent, found {line!r}"
            )
        # 0.80 leaves out the letter.
        about[f"p{cells[0]}" if cells[0].isdecimal() else cells[0]] = cells
    for name, column in (("gender", "GENDER"), ("accent", "ACCENTS")):
        labels[name] = {
            utt: about[speaker][_COLUMNS[column]]
            for utt, speaker in speakers.items()
            if speaker in about
        }
    return labels
