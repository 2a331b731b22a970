"""lhotse's manifests as a data dir: the way in for every corpus that lhotse knows."""

from pathlib import Path

from lhotse import Recording, RecordingSet, SupervisionSet

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError

_ROUNDING_SECONDS = 0.01


def to_data_dir(
    recordings: RecordingSet, supervisions: SupervisionSet, path: str | Path
) -> DataDir:
    """Write supervisions as utterances.

    There are ``segments`` only if a supervision is shorter than its recording. Language and
    gender become ``utt2lang`` and ``utt2gender`` where lhotse has them.

    Args:
        recordings: Each in one file.
        supervisions: Utterances, with speaker; transcripts are optional.
        path: The data dir.

    Raises:
        DataError: If a recording is not one plain file, or a recording of a supervision is
            missing.
    """
    wav = {recording.id: _file(recording) for recording in recordings}
    utt2spk, text, segments = {}, {}, {}
    labels: dict[str, dict[str, str]] = {"lang": {}, "gender": {}}
    whole = True
    for supervision in supervisions:
        if supervision.recording_id not in wav:
            raise DataError(f"{path}: {supervision.id}: no recording {supervision.recording_id!r}")
        recording = recordings[supervision.recording_id]
        whole &= supervision.id == recording.id
        whole &= abs(supervision.duration - recording.duration) <= _ROUNDING_SECONDS
        segments[supervision.id] = (recording.id, supervision.start, supervision.end)
        utt2spk[supervision.id] = supervision.speaker or supervision.id
        if supervision.text:
            text[supervision.id] = " ".join(supervision.text.split())
        for name, value in (("lang", supervision.language), ("gender", supervision.gender)):
            if value:
                labels[name][supervision.id] = value
    used = {recording for recording, _, _ in segments.values()}
    return DataDir.write(
        path,
        wav={recording: file for recording, file in wav.items() if recording in used},
        utt2spk=utt2spk,
        text=text,
        segments=None if whole else segments,
        labels=labels,
    )


def _file(recording: Recording) -> str:
    sources = recording.sources
    if len(sources) != 1 or sources[0].type != "file":
        raise DataError(f"recording {recording.id}: expected one audio file, found {sources}")
    return str(Path(sources[0].source).absolute())
