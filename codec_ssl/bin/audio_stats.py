"""What a data dir holds: hours by language (or any label), and lengths for trainings.

    python -m codec_ssl.bin.audio_stats --data_dir data/train --sample_rate 16000 \\
        --out exp/stats/train

``--codec dac_16k`` in place of the rate asks a codec for its own.

Only headers are read. OUT gets ``num_samples`` (a shape file without the utterances that cannot be
used), ``bad_audio.tsv`` and ``results.json``.
"""

import argparse
import logging
import time
from pathlib import Path

from codec_ssl.bin.cli import positive_int, run
from codec_ssl.codecs.base import load_codec
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.statistics import measure
from codec_ssl.data.tables import write_table
from codec_ssl.errors import DataError
from codec_ssl.report.render import render
from codec_ssl.report.results import FILE_NAME, Result, write_results

SHAPES = "num_samples"
_logger = logging.getLogger(__name__)


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--data_dir", type=Path, required=True)
    rate = parser.add_mutually_exclusive_group(required=True)
    rate.add_argument("--sample_rate", type=positive_int, help="the codec's, in Hz")
    rate.add_argument("--codec", help="the codec, which is asked for its rate: see load_codec")
    add("--by", default="lang", help="label whose groups are counted, where utt2<label> is there")
    add("--max_bad_rate", type=float, default=0.01, help="more unusable utterances are an error")
    add("--num_threads", type=positive_int, default=4, help="files opened at a time")
    add("--recipe", default="", help="recipe's path in the repository, recorded")
    add("--out", type=Path, required=True, help="folder to write")
    return parser


def main() -> None:
    """Parse, measure, write, and print the table."""
    begin = time.perf_counter()
    args = get_parser().parse_args()
    data_dir = DataDir(args.data_dir)
    sample_rate = args.sample_rate or load_codec(args.codec).sample_rate
    found = measure(data_dir, args.num_threads)
    args.out.mkdir(parents=True, exist_ok=True)
    found.bad.write(args.out / "bad_audio.tsv")
    found.bad.check_rate(len(data_dir), args.max_bad_rate)
    if not found.seconds:
        raise DataError(f"{args.data_dir}: expected audio, found none", stage="data")
    shapes = found.num_samples(sample_rate)
    write_table(args.out / SHAPES, {utt: str(samples) for utt, samples in shapes.items()})
    labels = data_dir.labels(args.by) if args.by in data_dir.label_names else {}
    if not labels:
        _logger.warning("%s: no utt2%s: hours are counted as one group", args.data_dir, args.by)
    groups = found.hours_by(labels)
    told = {"recipe": args.recipe or None, "set": data_dir.path.absolute().name}
    results = [Result("hours", found.hours, "hours", {**told, "utterances": len(shapes)})]
    for group, (count, hours) in groups.items():
        results.append(
            Result("hours_by", hours, "hours", {**told, args.by: group, "utterances": count})
        )
    write_results(args.out / FILE_NAME, results, time.perf_counter() - begin)
    rows = [
        [group, f"{count}", f"{hours:.3f}", f"{100 * hours / found.hours:.1f}"]
        for group, (count, hours) in groups.items()
    ]
    rows.append(["all", str(len(shapes)), f"{found.hours:.3f}", "100.0"])
    title = f"{args.data_dir}: {len(found.bad)} unusable, rates {dict(found.rates)}"
    print(render([args.by, "utterances", "hours", "%"], rows, "text", title=title), end="")
    low = {rate: count for rate, count in found.rates.items() if rate < sample_rate}
    if low:
        _logger.warning(
            "%s: %d utterances have a lower rate than the codec's %d Hz (%s) and teach it nothing "
            "above half of theirs",
            args.data_dir,
            sum(low.values()),
            sample_rate,
            ", ".join(f"{count} of {rate} Hz" for rate, count in sorted(low.items())),
        )
    if len(found.bad):
        _logger.warning(
            "%s: %d utterances cannot be used (%s) and are left out of training, see %s",
            args.data_dir,
            len(found.bad),
            found.bad.reasons(),
            args.out / "bad_audio.tsv",
        )


if __name__ == "__main__":
    run(main)
