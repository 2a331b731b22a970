"""What LJSpeech and CSS10 share: a table with bars, one speaker, and splits by order."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from codec_ssl.data.corpora.partition import Partition
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.tables import numbered_lines
from codec_ssl.errors import DataError

# ESPnet's recipes take as many of LJSpeech.
NUM_EVAL = 250


@dataclass(frozen=True)
class Sentence:
    """A sentence that was read.

    Attributes:
        path: Its audio file.
        text: As it was spoken: numbers and abbreviations in words.
    """

    path: Path
    text: str


def read_bars(path: Path, num_columns: int) -> list[list[str]]:
    """Rows of a table whose cells stand between bars, without quoting.

    Raises:
        DataError: If it is missing, empty, or a row has another number of cells.
    """
    rows = []
    for number, line in numbered_lines(path):
        cells = [cell.strip() for cell in line.removeprefix("\ufeff").split("|")]
        if len(cells) != num_columns:
            raise DataError(
                f"{path}, line {number}: expected {num_columns} cells between bars, found {line!r}"
            )
        rows.append(cells)
    if not rows:
        raise DataError(f"{path}: expected sentences, found none")
    return rows


def by_utterance(rows: Iterable[tuple[str, Sentence]], table: Path) -> dict[str, Sentence]:
    """Sentences by utterance, in the table's order.

    Raises:
        DataError: If two of them have one name.
    """
    sentences: dict[str, Sentence] = {}
    for utt_id, sentence in rows:
        if utt_id in sentences:
            raise DataError(f"{table}: two sentences are called {utt_id!r}")
        sentences[utt_id] = sentence
    return sentences


def write_splits(
    sentences: Mapping[str, Sentence],
    out_dir: Path,
    name: str,
    *,
    speaker: str,
    labels: Mapping[str, str],
    num_eval: int,
    partition: Partition | None = None,
) -> list[DataDir]:
    """Write ``<name>_train``, ``<name>_valid`` and ``<name>_test``.

    Without a partition the last ``num_eval`` sentences of the corpus's own order are the test
    set, as many before them the valid set, and nothing is drawn: every run and every reader gets
    the same ones.

    Args:
        sentences: By utterance, in the corpus's order.
        out_dir: Where the data dirs go.
        name: Of the corpus.
        speaker: The one speaker.
        labels: What holds for all of them, such as ``{"lang": "german"}``.
        num_eval: Sentences of the valid and of the test set.
        partition: Other sets than the last sentences.

    Raises:
        DataError: If there are too few sentences, or the partition fails.
    """
    if partition is None:
        parts = _last_ones(list(sentences), name, num_eval)
    else:
        parts = partition.divide(dict.fromkeys(sentences, speaker))
    return [
        DataDir.write(
            out_dir / f"{name}_{part}",
            wav={utt: str(sentences[utt].path.absolute()) for utt in chosen},
            utt2spk=dict.fromkeys(chosen, speaker),
            text={utt: " ".join(sentences[utt].text.split()) for utt in chosen},
            labels={label: dict.fromkeys(chosen, value) for label, value in labels.items()},
        )
        for part, chosen in parts.items()
    ]


def _last_ones(utt_ids: list[str], name: str, num_eval: int) -> dict[str, list[str]]:
    if not 0 < 2 * num_eval < len(utt_ids):
        raise DataError(
            f"{name}: expected more than 2 x {num_eval} sentences for train, valid and test, found "
            f"{len(utt_ids)}"
        )
    return {
        "train": utt_ids[: -2 * num_eval],
        "valid": utt_ids[-2 * num_eval : -num_eval],
        "test": utt_ids[-num_eval:],
    }
