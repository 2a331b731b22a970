"""Word and character error rates of hypotheses: tables, worst utterances, results.json."""

import argparse
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from codec_ssl.asr.hypotheses import META_NAME, TEXT_NAME, read_facts, read_timing
from codec_ssl.asr.text import CASES, Normalization
from codec_ssl.asr.transcripts import add_unusable_option, read_transcripts
from codec_ssl.bin import cli
from codec_ssl.data.language_tokens import split_languages
from codec_ssl.data.tables import read_table, write_atomic
from codec_ssl.errors import DataError
from codec_ssl.evaluation.asr_wer import ErrorCounts, Scored, align, groups_of, score_table
from codec_ssl.evaluation.language_id import Identified, identify
from codec_ssl.report.results import FILE_NAME, Result, write_results

_SHOWN = 5
METRICS = {"word": "wer", "character": "cer"}
_logger = logging.getLogger(__name__)
_FACTS = (
    "config",
    "exp",
    "checkpoint",
    "features",
    "tokenizer",
    "input",
    "sizes",
    "objective",
    "search",
)


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    add = parser.add_argument
    add("--by", default="lang", help="comma-separated labels X to score by, where utt2X is there")
    add("--num_worst", type=int, default=20, help="utterances to show with their alignments")
    add(
        "--lang_token",
        type=cli.str2bool,
        default=False,
        help="hypotheses begin with one, [eng]: languages are scored too, against utt2lang",
    )
    return parser


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what every command that scores hypotheses takes."""
    add = parser.add_argument
    add("--data_dir", type=Path, required=True, help="with text; utt2<label> for --by")
    add("--hyp", type=Path, required=True, help="folder of decode_asr, or any Kaldi text file")
    add("--out", type=Path, help="folder of the scores (default: score, beside the hypotheses)")
    add("--set", help="name of the set in results (default: the data dir's, with _ for -)")
    add("--recipe", default="", help="recipe's path in the repository, recorded")
    add("--case", choices=CASES, help="of both sides (default: that of the pieces, else keep)")
    add("--remove", help="characters to leave out of both sides (default: as the pieces)")
    add_unusable_option(parser)
    add("--ignore_missing", type=cli.str2bool, default=False, help="score what has a hypothesis")


def main() -> None:
    """Parse, align, write."""
    begin = time.perf_counter()
    args = get_parser().parse_args()
    facts = facts_of(args)
    references, hypotheses = read_pair(args, cleaner_of(args, facts))
    out, told = out_dir(args), what_is_told(args, facts)
    name = told["set"]
    groups = {label: groups_of(table, list(references)) for label, table in labels(args).items()}
    results, tables = [], []
    for unit, metric in METRICS.items():
        scored = align(references, hypotheses, unit)
        rows = {name: scored.counts()}
        results.append(_result(metric, rows[name], told, scored.interval()))
        for label, members in groups.items():
            parts = {value: scored.counts(utts) for value, utts in members.items()}
            # Of another name: who looks for the set's rate must not find a part's.
            by = f"{metric}_by_{label}"
            results += [_result(by, c, {**told, label: value}) for value, c in parts.items()]
            rows |= {f"{label} {value}": counts for value, counts in parts.items()}
        tables.append(score_table(rows, unit))
        _write_worst(scored, out / f"worst_{metric}.txt", args.num_worst)
    if args.lang_token:
        results += language_results(read_languages(args, references), told)
    results += timing_results(args, told)
    write_atomic(out / "scores.txt", "\n".join(tables))
    print("\n".join(tables), end="")
    write_results(out / FILE_NAME, results, time.perf_counter() - begin)


def facts_of(args: argparse.Namespace) -> dict[str, Any]:
    """What the folder of hypotheses tells of their making; {} for a file."""
    return read_facts(args.hyp) if (args.hyp / META_NAME).is_file() else {}


def out_dir(args: argparse.Namespace) -> Path:
    """The folder of the scores, made if it isn't there."""
    folder = args.out or (args.hyp if args.hyp.is_dir() else args.hyp.parent) / "score"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def what_is_told(args: argparse.Namespace, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What every result records of its set and its system."""
    name = args.set or args.data_dir.absolute().name.replace("-", "_")
    return {key: facts.get(key) for key in _FACTS} | {"recipe": args.recipe or None, "set": name}


def cleaner_of(args: argparse.Namespace, facts: Mapping[str, Any]) -> Callable[[str], str]:
    """What is done to both sides before they are compared.

    Language tokens go where languages are known; then the normalisation of the model's pieces,
    changed as the command line says.
    """
    given = {"case": args.case, "remove": args.remove}
    told = facts.get("normalization") or {}
    normalize = Normalization(**{**told, **{k: v for k, v in given.items() if v is not None}})
    if not (args.data_dir / "utt2lang").is_file():
        return normalize
    return lambda text: normalize(split_languages(text)[1])


def read_pair(
    args: argparse.Namespace, normalize: Callable[[str], str]
) -> tuple[dict[str, str], dict[str, str]]:
    """References and hypotheses, normalised.

    Raises:
        DataError: A file cannot be read, or a reference is missing or empty.
    """
    file = args.hyp / TEXT_NAME if args.hyp.is_dir() else args.hyp
    hypotheses = {u: normalize(text) for u, text in read_table(file, allow_empty=True).items()}
    found = read_transcripts(
        args.data_dir / "text",
        normalize,
        utt_ids=hypotheses if args.ignore_missing else None,
        unusable=args.unusable_text,
    )
    unheard = len(read_table(args.data_dir / "text", allow_empty=True).keys() - hypotheses.keys())
    if args.ignore_missing and unheard:
        _logger.warning("%s: %d references have no hypothesis: left out", file, unheard)
    if args.unusable_text == "skip":
        hypotheses = {utt: text for utt, text in hypotheses.items() if utt in found}
    return {utt: normalize(text) for utt, text in found.items()}, hypotheses


def read_languages(args: argparse.Namespace, utt_ids: Iterable[str]) -> Identified:
    """Languages of utterances in ``utt2lang``, and those that their hypotheses begin with.

    Raises:
        DataError: An utterance has no language or no hypothesis, or there is none.
    """
    file = args.hyp / TEXT_NAME if args.hyp.is_dir() else args.hyp
    table = args.data_dir / "utt2lang"
    hypotheses, languages = read_table(file, allow_empty=True), read_table(table)
    wanted = [utt for utt in utt_ids if utt in hypotheses or not args.ignore_missing]
    for path, known, stage in ((table, languages, "data"), (file, hypotheses, "decode")):
        missing = [utt for utt in wanted if utt not in known]
        if missing or not wanted:
            shown = ", ".join(missing[:_SHOWN]) + ", ..." * (len(missing) > _SHOWN)
            raise DataError(
                f"{path}: expected {len(wanted)} utterances, missing {len(missing)}: {shown}", stage
            )
    return identify({utt: languages[utt] for utt in wanted}, hypotheses)


def labels(args: argparse.Namespace) -> dict[str, dict[str, str]]:
    """Tables ``utt2<label>`` of the labels that were asked for and are there."""
    files = {label: args.data_dir / f"utt2{label}" for label in args.by.split(",") if label}
    return {label: read_table(file) for label, file in files.items() if file.is_file()}


def _result(
    metric: str,
    counts: ErrorCounts,
    told: Mapping[str, Any],
    interval: tuple[float, float] | None = None,
) -> Result:
    scored = {**told, "utterances": counts.utterances, "tokens": counts.tokens}
    scored |= {name: getattr(counts, name) for name in ("substitutions", "deletions", "insertions")}
    return Result(metric, counts.rate, "fraction", scored, interval)


def language_results(identified: Identified, told: Mapping[str, Any]) -> list[Result]:
    """Share of utterances whose language was recognised."""
    scored = {**told, "utterances": len(identified.true)}
    value, interval = identified.accuracy(), identified.interval()
    return [Result("language_accuracy", value, "fraction", scored, interval)]


def timing_results(args: argparse.Namespace, told: Mapping[str, Any]) -> list[Result]:
    """Seconds of decoding for a second of speech, as far as decoding told them."""
    timing = read_timing(args.hyp)
    if not timing:
        return []
    factor = timing["decoding_seconds"] / timing["speech_seconds"]
    return [Result("real_time_factor", factor, "seconds a second", {**told, **timing})]


def _write_worst(scored: Scored, path: Path, count: int) -> None:
    write_atomic(path, scored.worst(count))


if __name__ == "__main__":
    cli.run(main)
