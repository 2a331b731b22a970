"""Measure decoded audio against its originals: per-utterance scores, means with intervals."""

import argparse
import logging
import time
from pathlib import Path

from codec_ssl.bin import cli
from codec_ssl.data.bad_audio import BadAudioLog
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.tables import write_atomic
from codec_ssl.evaluation.alignment import LEVELS
from codec_ssl.evaluation.codec_run import Outcome, pair_up, score_utterances
from codec_ssl.evaluation.codec_summary import notes_of, results_of, summarize, table
from codec_ssl.evaluation.made_speech import describe_speech
from codec_ssl.evaluation.pair import Alignment
from codec_ssl.evaluation.pitch import TRACKER
from codec_ssl.evaluation.scorer_options import BACKENDS, ScorerOptions
from codec_ssl.evaluation.scores import write_table
from codec_ssl.evaluation.workers import RunOptions
from codec_ssl.report.codec_metrics import GROUPS, METRICS, expand
from codec_ssl.report.results import FILE_NAME, write_results
from codec_ssl.report.vocoder import KINDS
from codec_ssl.tts.prosody import METHODS

JOURNAL, TABLE, BAD_AUDIO = "scores.jsonl", "utterances.tsv", "bad_audio.tsv"
_ENDINGS = {"text": "txt", "markdown": "md"}


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"metrics: {', '.join(METRICS)}; groups: "
        + "; ".join(f"{name} ({', '.join(members)})" for name, members in GROUPS.items()),
    )
    add = parser.add_argument
    add("--reference", type=Path, required=True, help="data dir of the originals")
    add("--decoded", type=Path, required=True, help="data dir of the decoded audio")
    add("--out", type=Path, required=True, help="folder of scores, tables and results.json")
    add("--metrics", default="all", help="metrics and groups, separated by blanks")
    add("--nj", type=int, default=1, help="processes")
    add("--device", default="cpu", help="where networks compute")
    add("--ignore_missing", type=cli.str2bool, default=False, help="score what both data dirs have")
    add("--max_bad_rate", type=float, default=0.01, help="share of unreadable audio that may be")
    how = parser.add_argument_group("how they are laid side by side")
    how.add_argument("--sample_rate", type=int, help="Hz; default: the lower of each pair's")
    how.add_argument("--max_delay", type=float, default=0.0, help="seconds of delay to take away")
    how.add_argument("--level", choices=LEVELS, default="none", help="bring to the same level")
    _add_weights(parser)
    told = parser.add_argument_group("recorded in results.json")
    told.add_argument("--codec", default="", help="name of the codec (default: the data dir's)")
    told.add_argument("--num_codebooks", type=int, help="how many of its codebooks were decoded")
    told.add_argument("--set", help="name of the set (default: the reference's, with _ for -)")
    told.add_argument("--recipe", default="", help="recipe's path in the repository")
    told.add_argument("--config", default="", help="training config of the codec")
    told.add_argument("--exp", default="", help="experiment directory of the codec")
    told.add_argument("--speech", choices=KINDS, help="of a vocoder or beside one: what was made")
    told.add_argument("--units", type=Path, help="token store that it was made of")
    return parser


def _add_weights(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what measures; a metric that can't be had gets a reason")
    add = group.add_argument
    add("--backend", choices=BACKENDS, default="auto", help="auto: VERSA's, where installed")
    add("--utmos", default="", help="SpeechMOS: folder or owner/name:tag; or a TorchScript file")
    add("--sheet_ssqa", default="", help="SHEET: folder or owner/name:tag")
    add("--speech_bert", default="", help="WavLM or HuBERT: folder or hub id")
    add("--speech_bert_layer", type=int, default=14)
    add("--whisper", default="", help="for the word error rate: folder or hub id")
    add("--language", default="", help="of the speech, for Whisper; default: it finds out")
    add("--speaker", default="", help="model of ESPnet-SPK (default: Resemblyzer)")
    add("--pitch", choices=METHODS, default=TRACKER.method, help="what finds F0")


def main() -> None:
    """Parse, score, write."""
    begin = time.perf_counter()
    args = get_parser().parse_args()
    metrics = expand(args.metrics.replace(",", " ").split())
    options = RunOptions(
        ScorerOptions(
            metrics=tuple(metrics),
            backend=args.backend,
            utmos=args.utmos,
            sheet_ssqa=args.sheet_ssqa,
            speech_bert=args.speech_bert,
            speech_bert_layer=args.speech_bert_layer,
            whisper=args.whisper,
            language=args.language,
            speaker=args.speaker,
            pitch=args.pitch,
            device=args.device,
        ),
        Alignment(args.max_delay, args.level),
        args.sample_rate,
        args.nj,
    )
    reference, decoded = DataDir(args.reference), DataDir(args.decoded)
    jobs = pair_up(reference, decoded, ignore_missing=args.ignore_missing)
    args.out.mkdir(parents=True, exist_ok=True)
    outcome = score_utterances(jobs, options, args.out / JOURNAL)
    _check_audio(outcome, args)
    write_table(args.out / TABLE, outcome.records, metrics)
    means = summarize(outcome, metrics)
    notes = notes_of(means, outcome, metrics)
    scored = _scored(args)
    write_results(
        args.out / FILE_NAME,
        results_of(means, outcome, scored),
        time.perf_counter() - begin,
        notes=notes,
    )
    title = f"{scored['codec']} on {scored['set']}"
    for style, ending in _ENDINGS.items():
        text = table(means, metrics, style, title=title, notes=notes)
        write_atomic(args.out / f"scores.{ending}", text)
    print(table(means, metrics, "text", title=title, notes=notes), end="")
    logging.info("wrote %s", args.out / FILE_NAME)


def _check_audio(outcome: Outcome, args: argparse.Namespace) -> None:
    """Write ``bad_audio.tsv`` and fail above the rate."""
    log = BadAudioLog()
    for record in outcome.records:
        if record.bad is not None:
            log.add(record.utt_id, *record.bad)
    log.write(args.out / BAD_AUDIO)
    log.check_rate(len(outcome.records), args.max_bad_rate)


def _scored(args: argparse.Namespace) -> dict[str, str | int | float | None]:
    return {
        "recipe": args.recipe or None,
        "config": args.config or None,
        "exp": args.exp or None,
        "set": args.set or args.reference.absolute().name.replace("-", "_"),
        "codec": args.codec or args.decoded.absolute().name,
        "num_codebooks": args.num_codebooks,
        "sample_rate": args.sample_rate,
        "max_delay": args.max_delay,
        "level": args.level,
        **describe_speech(args.speech, args.units, args.num_codebooks),
    }


if __name__ == "__main__":
    cli.run(main)
