"""Perplexity of transcripts under a trained ASR experiment, beside that of a unigram."""

import argparse
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from codec_ssl.asr.hypotheses import facts
from codec_ssl.asr.recognizer import BATCH_FRAMES, load_experiment
from codec_ssl.asr.transcripts import add_unusable_option, read_transcripts
from codec_ssl.asr.unigram import unigram_losses
from codec_ssl.bin import cli
from codec_ssl.bin.speech_options import add_speech_options, open_speech
from codec_ssl.data.tables import read_table
from codec_ssl.evaluation.bootstrap import ratio_interval
from codec_ssl.report.results import FILE_NAME, Result, write_results

_FACTS = ("config", "exp", "checkpoint", "features", "tokenizer", "sizes", "objective")


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--exp", type=Path, required=True, help="experiment of decoder_only_asr_train")
    add("--checkpoint", default="best", help="best, latest or an epoch number")
    add_speech_options(parser)
    add("--text", type=Path, required=True, help="Kaldi text of the set")
    add("--train_text", type=Path, help="Kaldi text of the training, for the unigram")
    add("--out", type=Path, required=True, help="folder of results.json")
    add("--set", required=True, help="name of the set in results")
    add("--recipe", default="", help="recipe's path in the repository, recorded")
    add("--batch_frames", type=int, default=BATCH_FRAMES, help="most padded frames in a batch")
    add("--device", default="cpu")
    add_unusable_option(parser)
    return parser


def main() -> None:
    """Score every transcript, print and write the perplexities."""
    begin = time.perf_counter()
    args = get_parser().parse_args()
    experiment = load_experiment(
        args.exp, args.checkpoint, args.device, batch_frames=args.batch_frames
    )
    speech = open_speech(args)
    experiment.check(speech)
    recognizer, told = experiment.recognizer, facts(experiment, speech)
    texts = read_transcripts(
        args.text,
        recognizer.pieces.normalization,
        utt_ids=speech.utt_ids,
        unusable=args.unusable_text,
    )
    scored = {key: told[key] for key in _FACTS}
    scored |= {"set": args.set, "recipe": args.recipe or None, "utterances": len(texts)}
    heard = {utt_id: speech[utt_id] for utt_id in texts}
    losses = {"text_perplexity": recognizer.text_losses(heard, texts)}
    if args.train_text:
        training = read_table(args.train_text, allow_empty=True).values()
        losses["unigram_perplexity"] = unigram_losses(recognizer.pieces, training, texts)
    results = [_result(metric, found, scored) for metric, found in losses.items()]
    for result in results:
        low, high = result.interval
        print(f"{result.metric} {result.value:.3f} [{low:.3f}, {high:.3f}] a piece")
    write_results(args.out / FILE_NAME, results, time.perf_counter() - begin)


def _result(
    metric: str, losses: Mapping[str, tuple[float, int]], scored: Mapping[str, Any]
) -> Result:
    parts, wholes = np.array(list(losses.values())).T
    interval = tuple(math.exp(end) for end in ratio_interval(parts, wholes))
    value = math.exp(parts.sum() / wholes.sum())
    return Result(metric, value, "ratio", {**scored, "tokens": int(wholes.sum())}, interval)


if __name__ == "__main__":
    cli.run(main)
