"""LibriSpeech (and Mini LibriSpeech) through lhotse: one data dir a part, and train-960."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import soundfile
from lhotse import AudioSource, Recording, RecordingSet, SupervisionSegment, SupervisionSet
from lhotse.audio.utils import AudioLoadingError
from lhotse.recipes import librispeech as recipe

from codec_ssl.data.corpora.manifests import to_data_dir
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.data_dir_edits import combine
from codec_ssl.data.tables import read_table
from codec_ssl.errors import DataError

PARTS = (*recipe.LIBRISPEECH, *recipe.MINI_LIBRISPEECH)
TRAIN_960 = ("train-clean-100", "train-clean-360", "train-other-500")

type _Utterance = tuple[Recording, SupervisionSegment]

_logger = logging.getLogger(__name__)


class _Transcript(NamedTuple):
    """A line of a ``*.trans.txt``, and where its audio belongs."""

    utt_id: str
    words: str
    path: Path


def download(target_dir: str | Path, parts: Sequence[str]) -> Path:
    """Download and unpack parts from OpenSLR with lhotse; returns the corpus folder.

    Raises:
        DataError: If a part is unknown.
    """
    _check_known(parts)
    return Path(recipe.download_librispeech(target_dir, dataset_parts=list(parts)))


def prepare(
    corpus_dir: str | Path,
    out_dir: str | Path,
    parts: Sequence[str] | None = None,
    num_jobs: int = 1,
) -> list[DataDir]:
    """Write ``out_dir/<part>`` for each part, and ``train-960`` where all its parts are there.

    Utterance ids are LibriSpeech's. An utterance whose audio file is missing or broken stays in,
    as with a folder of audio: the tokens stage leaves it out and reports it in ``bad_audio.tsv``.

    Args:
        corpus_dir: The folder ``LibriSpeech`` with the parts in it, or the folder above.
        out_dir: Where the data dirs go.
        parts: Names such as ``dev-clean``; None takes all that are there.
        num_jobs: Threads that open the audio files.

    Raises:
        DataError: If the folder or a part is missing, or a transcript file is malformed.
    """
    corpus_dir = Path(corpus_dir)
    if (corpus_dir / "LibriSpeech").is_dir():
        corpus_dir = corpus_dir / "LibriSpeech"
    if parts is None:
        parts = [part for part in PARTS if (corpus_dir / part).is_dir()]
        if not parts:
            raise DataError(f"{corpus_dir}: expected folders such as dev-clean, found none")
    _check_known(parts)
    made = {part: _prepare_part(corpus_dir, part, Path(out_dir), num_jobs) for part in parts}
    if made.keys() >= set(TRAIN_960):
        train = combine([made[part] for part in TRAIN_960], Path(out_dir) / "train-960")
        made["train-960"] = train
    return list(made.values())


def _check_known(parts: Sequence[str]) -> None:
    for part in parts:
        if part not in PARTS:
            raise DataError(f"LibriSpeech: expected parts of {PARTS}, found {part!r}")


def _prepare_part(corpus_dir: Path, part: str, out_dir: Path, num_jobs: int) -> DataDir:
    part_dir = corpus_dir / part
    transcripts = _transcripts(part_dir)
    if not transcripts:
        raise DataError(f"{part_dir}: expected LibriSpeech's *.trans.txt, found none")
    with ThreadPoolExecutor(num_jobs) as pool:
        opened = list(pool.map(partial(_open, part_dir), transcripts))
    closed = [each for each, found in zip(transcripts, opened, strict=True) if found is None]
    if closed:
        _logger.warning(
            "%s: %d of %d audio files are missing or cannot be opened, %s among them; they stay "
            "in, the tokens stage will report them",
            part_dir,
            len(closed),
            len(transcripts),
            closed[0].path,
        )
    found = [each for each in opened if each is not None] + [_unopened(each) for each in closed]
    recordings, supervisions = zip(*found, strict=True)
    return to_data_dir(
        RecordingSet.from_recordings(recordings),
        SupervisionSet.from_segments(supervisions),
        out_dir / part,
    )


def _transcripts(part_dir: Path) -> list[_Transcript]:
    return [
        _Transcript(utt_id, words, path.parent / f"{utt_id}.flac")
        for path in sorted(part_dir.rglob("*.trans.txt"))
        for utt_id, words in read_table(path).items()
    ]


def _open(part_dir: Path, transcript: _Transcript) -> _Utterance | None:
    """Let lhotse open the file; None where it is missing or has no header that can be read."""
    try:
        # Not lhotse's prepare_librispeech, which does the same and ends at the first broken file.
        line = f"{transcript.utt_id} {transcript.words}"
        return recipe.parse_utterance(part_dir, line, alignments={})
    except (AudioLoadingError, soundfile.LibsndfileError):
        return None


def _unopened(transcript: _Transcript) -> _Utterance:
    """Return what lhotse makes of an utterance, without a length."""
    utt_id = transcript.utt_id
    source = AudioSource(type="file", channels=[0], source=str(transcript.path))
    recording = Recording(utt_id, [source], sampling_rate=16000, num_samples=0, duration=0.0)
    supervision = SupervisionSegment(
        id=utt_id,
        recording_id=utt_id,
        start=0.0,
        duration=0.0,
        language="English",
        speaker=utt_id.split("-")[0],
        text=transcript.words,
    )
    return recording, supervision
