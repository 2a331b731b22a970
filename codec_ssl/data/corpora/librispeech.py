"""LibriSpeech (and Mini LibriSpeech) through lhotse: one data dir a part, and train-960."""

import logging
from collections.abc import Sequence
from pathlib import Path

import soundfile
from lhotse.audio.utils import AudioLoadingError
from lhotse.recipes import librispeech as recipe

from codec_ssl.data.audio import BadAudio, audio_info
from codec_ssl.data.corpora.manifests import to_data_dir
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.data_dir_edits import combine
from codec_ssl.data.tables import numbered_lines, parse_entry
from codec_ssl.errors import DataError

PARTS = (*recipe.LIBRISPEECH, *recipe.MINI_LIBRISPEECH)
TRAIN_960 = ("train-clean-100", "train-clean-360", "train-other-500")

_logger = logging.getLogger(__name__)


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

    Utterance ids are LibriSpeech's. An utterance whose audio file is missing stays in, so that
    the tokens stage counts and reports it.

    Args:
        corpus_dir: The folder ``LibriSpeech`` with the parts in it, or the folder above.
        out_dir: Where the data dirs go.
        parts: Names such as ``dev-clean``; None takes all that are there.
        num_jobs: Threads that open the audio files.

    Raises:
        DataError: If the folder or a part is missing, or a file's header cannot be read.
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
    if not any((corpus_dir / part).rglob("*.trans.txt")):
        raise DataError(f"{corpus_dir / part}: expected LibriSpeech's *.trans.txt, found none")
    try:
        manifests = recipe.prepare_librispeech(corpus_dir, dataset_parts=[part], num_jobs=num_jobs)
    except (AudioLoadingError, soundfile.LibsndfileError) as error:
        raise _unreadable(corpus_dir / part) from error
    found = manifests[part]
    data_dir = to_data_dir(found["recordings"], found["supervisions"], out_dir / part)
    return _with_missing(data_dir, corpus_dir / part)


def _unreadable(part_dir: Path) -> DataError:
    bad = []
    for path in sorted(part_dir.rglob("*.flac")):
        try:
            audio_info(path)
        except BadAudio as error:
            bad.append(str(error))
    return DataError(
        f"{part_dir}: {len(bad)} audio files cannot be opened; unpack them again, or delete them "
        f"and the tokens stage reports them as missing: " + "; ".join(bad[:5])
    )


def _with_missing(data_dir: DataDir, part_dir: Path) -> DataDir:
    """Add the utterances that have a transcript and no audio file, which lhotse leaves out."""
    wav, utt2spk, text = dict(data_dir.wav_scp), dict(data_dir.utt2spk), dict(data_dir.text)
    missing = 0
    for path in sorted(part_dir.rglob("*.trans.txt")):
        for number, line in numbered_lines(path):
            utt_id, words = parse_entry(line, f"{path}:{number}")
            if utt_id not in wav:
                wav[utt_id] = str((path.parent / f"{utt_id}.flac").absolute())
                utt2spk[utt_id] = utt_id.split("-")[0]
                text[utt_id] = words
                missing += 1
    if not missing:
        return data_dir
    _logger.warning("%s: %d utterances have no audio file", part_dir, missing)
    labels = {name: data_dir.labels(name) for name in data_dir.label_names if name != "spk"}
    return DataDir.write(data_dir.path, wav=wav, utt2spk=utt2spk, text=text, labels=labels)
