"""LJSpeech: data dirs ``ljspeech_train``, ``ljspeech_valid`` and ``ljspeech_test``.

Not through lhotse's ``prepare_ljspeech``: that opens every audio file, ends at the first broken
one and at any line that is not just so, and knows no speaker.
"""

from pathlib import Path

from codec_ssl.data.corpora.partition import Partition
from codec_ssl.data.corpora.single_speaker import (
    NUM_EVAL,
    Sentence,
    by_utterance,
    read_bars,
    write_splits,
)
from codec_ssl.data.data_dir import DataDir


def prepare(
    corpus_dir: str | Path,
    out_dir: str | Path,
    num_eval: int = NUM_EVAL,
    partition: Partition | None = None,
) -> list[DataDir]:
    """Write the data dirs; transcripts are the corpus's normalised ones.

    No audio file is opened: one that is missing or broken stays in, and the stage that reads it
    reports it.

    Args:
        corpus_dir: The folder LJSpeech-1.1, with ``metadata.csv`` and ``wavs``.
        out_dir: Where the data dirs go.
        num_eval: See `codec_ssl.data.corpora.single_speaker.write_splits`.
        partition: Other sets than the last sentences.

    Raises:
        DataError: If the table is missing or malformed or names two sentences alike, or there are
            too few.
    """
    corpus_dir = Path(corpus_dir)
    table = corpus_dir / "metadata.csv"
    rows = (
        (utt_id, Sentence(corpus_dir / "wavs" / f"{utt_id}.wav", normalised or text))
        for utt_id, text, normalised in read_bars(table, num_columns=3)
    )
    return write_splits(
        by_utterance(rows, table),
        Path(out_dir),
        "ljspeech",
        speaker="LJ",
        labels={"lang": "english", "gender": "F"},
        num_eval=num_eval,
        partition=partition,
    )
