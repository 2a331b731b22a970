"""ML-SUPERB scores of hypotheses: CER and language accuracy, normal and few-shot, by language."""

import argparse
import time
from collections.abc import Mapping, Sequence
from typing import Any

from codec_ssl.bin import cli, score_asr
from codec_ssl.data.corpora.ml_superb import DURATIONS, MONOLINGUAL
from codec_ssl.data.tables import read_table, write_atomic
from codec_ssl.evaluation.asr_wer import ErrorCounts, align
from codec_ssl.evaluation.language_id import Identified
from codec_ssl.evaluation.ml_superb import SCORED, LanguageScores, language_table
from codec_ssl.report.results import FILE_NAME, Result, write_results


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    score_asr.add_options(parser)
    parser.add_argument(
        "--task",
        choices=SCORED,
        default="joint",
        help="mono, asr: characters; lid: languages; joint: both",
    )
    parser.add_argument(
        "--duration", choices=DURATIONS, default="10min", help="training data, recorded"
    )
    parser.add_argument("--setting", choices=MONOLINGUAL, help="of the task mono, recorded")
    return parser


def main() -> None:
    """Parse, align, write."""
    begin = time.perf_counter()
    args = get_parser().parse_args()
    facts = score_asr.facts_of(args)
    characters = identified = None
    if args.task == "lid":
        identified = score_asr.read_languages(args, read_table(args.data_dir / "utt2lang"))
        languages = identified.true
    else:
        pair = score_asr.read_pair(args, score_asr.cleaner_of(args, facts))
        spoken = score_asr.read_languages(args, pair[0])
        languages, characters = spoken.true, align(*pair, "character")
        identified = spoken if args.task == "joint" else None
    scores = LanguageScores(languages, characters, identified)
    told = score_asr.what_is_told(args, facts) | {"task": args.task, "duration": args.duration}
    told |= {"setting": args.setting} if args.setting else {}
    out = score_asr.out_dir(args)
    table = language_table(scores)
    write_atomic(out / "scores.txt", table)
    print(table, end="")
    found = results(scores, told) + score_asr.timing_results(args, told)
    write_results(out / FILE_NAME, found, time.perf_counter() - begin)


def results(scores: LanguageScores, told: Mapping[str, Any]) -> list[Result]:
    """All numbers of a set: of all its utterances, of the groups and of each language."""
    everyone = {"": None, **{f"_{name}": utts for name, utts in scores.groups.items()}}
    found = []
    if scores.characters:
        whole = scores.characters.interval()
        for name, utts in everyone.items():
            counts = scores.characters.counts(utts)
            found.append(_rate(f"cer{name}", counts, told, None if name else whole))
        for language, counts in scores.rates().items():
            found.append(_rate("cer_by_lang", counts, {**told, "lang": language}))
        mean = {**told, "languages": len(scores.members)}
        found.append(Result("cer_mean_of_langs", scores.mean_rate(), "fraction", mean))
    if scores.identified:
        for name, utts in everyone.items():
            found.append(_accuracy(f"language_accuracy{name}", scores.identified, utts, told))
        for language, utts in scores.members.items():
            one = {**told, "lang": language}
            found.append(_accuracy("language_accuracy_by_lang", scores.identified, utts, one))
    return found


def _rate(
    metric: str,
    counts: ErrorCounts,
    told: Mapping[str, Any],
    interval: tuple[float, float] | None = None,
) -> Result:
    scored = {**told, "utterances": counts.utterances, "tokens": counts.tokens}
    return Result(metric, counts.rate, "fraction", scored, interval)


def _accuracy(
    metric: str, identified: Identified, utts: Sequence[str] | None, told: Mapping[str, Any]
) -> Result:
    scored = {**told, "utterances": len(identified.right(utts))}
    value, interval = identified.accuracy(utts), identified.interval(utts)
    return Result(metric, value, "fraction", scored, interval)


if __name__ == "__main__":
    cli.run(main)
