"""IEMOCAP, emotions: SUPERB's four classes, and a fold for each of the five sessions."""

import re
from pathlib import Path

from codec_ssl.data.corpora.clips import Clip, write_part
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.superb.rotation import rotate
from codec_ssl.data.tables import numbered_lines
from codec_ssl.errors import DataError

SESSIONS = tuple(f"Session{number}" for number in range(1, 6))
# Excited is a kind of happy; frustrated, surprised and others are left out, as in the benchmark.
EMOTIONS = {"neu": "neutral", "hap": "happy", "exc": "happy", "ang": "angry", "sad": "sad"}
_FOLDER = "IEMOCAP_full_release"
_TURN = re.compile(
    r"\[[\d.]+ - [\d.]+\]\t(?P<utt>(?P<dialog>(?P<session>Ses\d\d)[FM]_\w+)_(?P<sex>[FM])\w+)"
    r"\t(?P<emotion>\w+)\t.*"
)


def prepare(corpus_dir: str | Path, out_dir: str | Path, seed: int = 0) -> list[DataDir]:
    """Write ``all`` and ``fold1/{train,valid,test}`` to ``fold5``, with ``utt2emotion``.

    Fold ``n`` is tested on session ``n``, whose two actors are in no other; a fifth of the other
    sessions is for validation. SUPERB draws that fifth with its own generator from a list in the
    order of a file system, which cannot be had again: its size is the same, its members are not.

    Args:
        corpus_dir: The folder with ``Session1`` to ``Session5``, or the one above.
        out_dir: Where the data dirs go.
        seed: Of the validation sets.

    Raises:
        DataError: A session is missing or has no utterance of these emotions.
    """
    corpus_dir = Path(corpus_dir)
    if (corpus_dir / _FOLDER).is_dir():
        corpus_dir = corpus_dir / _FOLDER
    sessions = [_read(corpus_dir / name) for name in SESSIONS]
    everything = {utt: clip for session in sessions for utt, clip in session.items()}
    whole = write_part(Path(out_dir, "all"), everything)
    return rotate(whole, [sorted(session) for session in sessions], out_dir, "emotion", seed=seed)


def _read(session: Path) -> dict[str, Clip]:
    clips: dict[str, Clip] = {}
    for table in sorted(session.glob("dialog/EmoEvaluation/Ses*.txt")):
        for number, line in numbered_lines(table):
            if not line.startswith("["):
                continue  # a legend, or what one of the raters said
            turn = _TURN.fullmatch(line.rstrip("\r"))
            if turn is None:
                raise DataError(
                    f"{table}:{number}: expected a turn and its emotion, found {line!r}"
                )
            emotion = EMOTIONS.get(turn["emotion"])
            if emotion:
                path = session / "sentences" / "wav" / turn["dialog"] / f"{turn['utt']}.wav"
                kind = "improvised" if "impro" in turn["dialog"] else "scripted"
                labels = {"emotion": emotion, "act": kind, "gender": turn["sex"].lower()}
                clips[turn["utt"]] = Clip(path, labels, turn["session"] + turn["sex"])
    if not clips:
        raise DataError(
            f"{session}/dialog/EmoEvaluation: expected tables of emotions such as "
            "Ses01F_impro01.txt, found none"
        )
    return clips
