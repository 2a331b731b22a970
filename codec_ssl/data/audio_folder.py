"""Any folder of audio as a corpus, with an optional manifest: data dirs train, valid and test."""

import logging
import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from codec_ssl.data.audio import BadAudio, audio_info
from codec_ssl.data.data_dir import DataDir, only
from codec_ssl.data.pieces import even_pieces
from codec_ssl.data.splits import Unit, assign
from codec_ssl.data.tables import numbered_lines
from codec_ssl.errors import DataError

FRACTIONS = {"train": 0.8, "valid": 0.1, "test": 0.1}
UNSEEN = "unseen"
# Also those that libsndfile cannot read: such files are reported as bad audio, not passed over.
_EXTENSIONS = re.compile(
    r"\.(wave?|w64|rf64|flac|mp3|og[ga]|opus|aif[fc]?|au|snd|caf|sph|nist|m4a|aac|wma)", re.I
)

# The label of a column whose name is another in data dirs.
_LABELS = {"language": "lang"}

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recording:
    """One audio file and what is known of it.

    Attributes:
        utt_id: Name without blanks.
        path: Absolute path.
        speaker: Speaker, or "" where unknown.
        text: Transcript, or "" where unknown.
        labels: Further columns by name, without the empty ones.
    """

    utt_id: str
    path: str
    speaker: str
    text: str = ""
    labels: dict[str, str] = field(default_factory=dict)


def prepare(
    audio_dir: str | Path,
    out_dir: str | Path,
    *,
    manifest: str | Path | None = None,
    where: Mapping[str, Collection[str]] | None = None,
    fractions: Mapping[str, float] = FRACTIONS,
    split_by: str = "utterance",
    seed: int = 0,
    max_duration: float | None = None,
    unseen: Collection[str] = (),
) -> list[DataDir]:
    """Write a data dir for each split of a folder of audio.

    Without a manifest the parent folder's name is the speaker and the relative path the utterance
    id. An unknown speaker is, as in Kaldi, a speaker of its own in ``utt2spk``; ``utt2speaker``
    has the known ones only.

    Args:
        audio_dir: The folder.
        out_dir: Where the data dirs go, by the names in ``fractions``.
        manifest: Table of the recordings, see ``read_manifest``.
        where: Keep only rows whose column has one of these values.
        fractions: Share of each split.
        split_by: ``utterance`` (speakers and labels are spread evenly, so that speaker and label
            probes see all of them in training) or ``speaker`` (no speaker in two splits).
        seed: Of the splits.
        max_duration: Longer recordings are cut into segments of equal length, at most this
            many seconds; they lose their transcripts.
        unseen: Speakers whose utterances make a data dir ``unseen`` of their own, and are in no
            split.

    Raises:
        DataError: If there is no audio, the manifest is malformed, a speaker of ``unseen`` isn't
            there, or nothing is left.
    """
    audio_dir = Path(audio_dir)
    if manifest is None:
        recordings = list_recordings(audio_dir)
    else:
        recordings = read_manifest(manifest, audio_dir)
    recordings = _filtered(recordings, where or {}, str(manifest or audio_dir))
    pieces = _pieces(recordings, max_duration)
    out_dir = Path(out_dir)
    held_out = _utterances_of(unseen, recordings, pieces)
    seen = [each for each in recordings if each.speaker not in unseen]
    splits = assign(_units(seen, pieces, split_by), fractions, seed)
    if held_out:
        splits[UNSEEN] = held_out
    made = [_write(out_dir / name, utt_ids, recordings, pieces) for name, utt_ids in splits.items()]
    _logger.info(
        "%d recordings of %s: %s",
        len(recordings),
        audio_dir,
        ", ".join(f"{data_dir.path.name} {len(data_dir)} utterances" for data_dir in made),
    )
    return made


def list_recordings(audio_dir: Path) -> list[Recording]:
    """Find the audio files under a folder, links followed, hidden files left out.

    Raises:
        DataError: If the folder is missing or holds no file with the extension of audio.
    """
    found: list[Path] = []
    others = 0
    for folder, subfolders, names in os.walk(audio_dir, followlinks=True):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in names:
            if not name.startswith("."):
                if _EXTENSIONS.fullmatch(Path(name).suffix) is None:
                    others += 1
                else:
                    found.append(Path(folder, name).relative_to(audio_dir))
    if not found:
        what = "no such folder" if not audio_dir.is_dir() else f"{others} files of other kinds"
        raise DataError(f"{audio_dir}: expected a folder of audio, found {what}", stage="data")
    if others:
        _logger.info("%s: %d files are not audio by their extension", audio_dir, others)
    recordings: dict[str, Recording] = {}
    for path in sorted(found):
        utt_id = _unused_id(_sanitised("-".join(path.with_suffix("").parts)), path, recordings)
        speaker = _sanitised(path.parent.name) if path.parent.name else ""
        absolute = str((audio_dir / path).absolute())
        recordings[utt_id] = Recording(utt_id, absolute, speaker)
    return list(recordings.values())


def read_manifest(manifest: str | Path, audio_dir: str | Path) -> list[Recording]:
    """Read a table of recordings: tab separated, no quoting, a header line.

    Columns ``utt_id`` and ``path`` (relative to ``audio_dir``, or absolute) must be there;
    ``speaker`` and ``text`` are understood; any other column, ``corpus`` among them, is a label.
    That of ``language`` is written as ``utt2lang``, where all recipes look for it.
    Where there is a ``corpus``, speakers are named ``<corpus>-<speaker>``.

    Raises:
        DataError: Names the line that is malformed or repeats an utterance.
    """
    lines = numbered_lines(manifest)
    header = next(lines, (0, ""))[1].removeprefix("\ufeff").rstrip("\r").split("\t")
    for column in ("utt_id", "path"):
        if column not in header:
            raise DataError(
                f"{manifest}: expected tab separated columns utt_id and path, found {header}"
            )
    for column in header:
        if not re.fullmatch(r"\w+", column):
            raise DataError(f"{manifest}: expected column names of word characters: {column!r}")
    recordings: dict[str, Recording] = {}
    for number, line in lines:
        where = f"{manifest}:{number}"
        cells = line.rstrip("\r").split("\t")
        if len(cells) != len(header):
            raise DataError(f"{where}: expected {len(header)} columns, found {len(cells)}")
        recording = _from_row(
            dict(zip(header, map(str.strip, cells), strict=True)), where, audio_dir
        )
        if recording.utt_id in recordings:
            raise DataError(f"{where}: utterance {recording.utt_id!r} is there twice")
        recordings[recording.utt_id] = recording
    return list(recordings.values())


def _from_row(row: dict[str, str], where: str, audio_dir: str | Path) -> Recording:
    utt_id, path = row.pop("utt_id"), row.pop("path")
    if not utt_id or not path or re.search(r"\s", utt_id):
        raise DataError(f"{where}: expected an utt_id without blanks and a path, found {utt_id!r}")
    speaker, text = row.pop("speaker", ""), row.pop("text", "")
    if speaker:
        speaker = _sanitised("-".join(filter(None, (row.get("corpus"), speaker))))
    labels = {column: value for column, value in row.items() if value}
    return Recording(utt_id, str(Path(audio_dir, path).absolute()), speaker, text, labels)


def _sanitised(name: str) -> str:
    """Make a name a Kaldi key: letters of any script, digits, dot, dash, underscore."""
    return re.sub(r"[^\w.-]", "_", name)


def _unused_id(utt_id: str, path: Path, used: Mapping[str, Recording]) -> str:
    if utt_id not in used:
        return utt_id
    number = next(n for n in range(2, len(used) + 3) if f"{utt_id}-{n}" not in used)
    _logger.warning("%s: its utterance id %s is taken: %s-%d", path, utt_id, utt_id, number)
    return f"{utt_id}-{number}"


def _filtered(
    recordings: list[Recording], where: Mapping[str, Collection[str]], source: str
) -> list[Recording]:
    for column, values in where.items():
        present = {_value(recording, column) for recording in recordings}
        recordings = [each for each in recordings if _value(each, column) in values]
        if not recordings:
            expected = f"expected {column} to be one of {sorted(values)}"
            raise DataError(f"{source}: {expected}, found {sorted(present)}")
    return recordings


def _value(recording: Recording, column: str) -> str:
    return recording.speaker if column == "speaker" else recording.labels.get(column, "")


type _Piece = tuple[float, float | None]


def _pieces(
    recordings: Iterable[Recording], max_duration: float | None
) -> dict[str, dict[str, _Piece]]:
    """Return the utterances of each recording, with their start and end in it."""
    pieces: dict[str, dict[str, _Piece]] = {}
    for recording in recordings:
        pieces[recording.utt_id] = {recording.utt_id: (0.0, None)}
        if max_duration is None:
            continue
        try:
            duration = audio_info(recording.path).duration
        except BadAudio as error:
            _logger.warning("%s; left whole, the tokens stage will report it", error)
            continue
        cut = even_pieces(duration, max_duration)
        if len(cut) > 1:
            pieces[recording.utt_id] = {
                f"{recording.utt_id}-{index:04d}": piece for index, piece in enumerate(cut)
            }
    return pieces


def _utterances_of(
    speakers: Collection[str],
    recordings: Iterable[Recording],
    pieces: Mapping[str, Mapping[str, _Piece]],
) -> list[str]:
    """Utterances of speakers, sorted."""
    found = {speaker: [] for speaker in speakers}
    known: set[str] = set()
    for recording in recordings:
        known.add(recording.speaker)
        if recording.speaker in found:
            found[recording.speaker] += pieces[recording.utt_id]
    missing = sorted(speaker for speaker, utt_ids in found.items() if not utt_ids)
    if missing:
        raise DataError(f"expected an unseen speaker {missing[0]}, found {sorted(known)}", "data")
    return sorted(utt_id for utt_ids in found.values() for utt_id in utt_ids)


def _units(
    recordings: Iterable[Recording], pieces: Mapping[str, Mapping[str, _Piece]], split_by: str
) -> list[Unit]:
    if split_by == "utterance":
        return [
            Unit(utt_id, (recording.speaker, recording.labels.get("label", "")), (utt_id,))
            for recording in recordings
            for utt_id in pieces[recording.utt_id]
        ]
    if split_by != "speaker":
        raise DataError(f"splits: expected split_by utterance or speaker, found {split_by!r}")
    groups: dict[tuple[str, str], list[str]] = {}
    for recording in recordings:
        key = (recording.speaker or recording.utt_id, recording.labels.get("corpus", ""))
        groups.setdefault(key, []).extend(pieces[recording.utt_id])
    return [Unit(speaker, corpus, tuple(utts)) for (speaker, corpus), utts in groups.items()]


def _write(
    path: Path,
    utt_ids: Collection[str],
    recordings: Iterable[Recording],
    pieces: Mapping[str, Mapping[str, _Piece]],
) -> DataDir:
    wanted = set(utt_ids)
    segmented = any(len(parts) > 1 for parts in pieces.values())
    wav: dict[str, str] = {}
    utt2spk: dict[str, str] = {}
    text: dict[str, str] = {}
    segments: dict[str, tuple[str, float, float | None]] = {}
    labels: dict[str, dict[str, str]] = {}
    for recording in recordings:
        for utt_id, (start, end) in only(pieces[recording.utt_id], wanted).items():
            wav[recording.utt_id] = recording.path
            utt2spk[utt_id] = recording.speaker or recording.utt_id
            if recording.text and end is None:
                text[utt_id] = recording.text
            if segmented:
                segments[utt_id] = (recording.utt_id, start, end)
            known = recording.labels | {"speaker": recording.speaker}
            for name, value in known.items():
                if value:
                    labels.setdefault(_LABELS.get(name, name), {})[utt_id] = value
    return DataDir.write(
        path, wav=wav, utt2spk=utt2spk, text=text, segments=segments, labels=labels
    )
