"""Compare a trained synthesis with reference speech: code accuracy by stream, durations, pitch.

    python -m codec_ssl.bin.tts_evaluate --exp exp/codes --phones dump/phones/test \
        --frames dump/codes/test --out exp/codes/evaluate_test

Codes are predicted with the reference's durations, pitch and energy; durations and pitch from the
phones alone. Writes a table, pictures and results.json.
"""

import argparse
import time
from pathlib import Path

from codec_ssl.bin import cli
from codec_ssl.data.tables import write_atomic
from codec_ssl.errors import CheckpointError
from codec_ssl.evaluation import tts as scores
from codec_ssl.report.render import render
from codec_ssl.report.results import FILE_NAME, Result, write_results
from codec_ssl.report.tts import draw_durations, draw_pitch, table
from codec_ssl.tts.experiment import Experiment, load_experiment
from codec_ssl.tts.frames import Frames, open_frames
from codec_ssl.tts.phone_store import PhoneStore
from codec_ssl.tts.symbols import UNKNOWN
from codec_ssl.tts.synthesizer import Synthesizer, lines_of


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--exp", type=Path, required=True, help="experiment of tts_train")
    add("--checkpoint", default="best", help="best, latest or an epoch number")
    add("--phones", type=Path, required=True, help="reference phones, of tts_phones")
    add("--frames", type=Path, required=True, help="reference codes or spectra")
    add("--out", type=Path, required=True, help="folder of the scores")
    add("--set", help="name of the set in results (default: the phones', with _ for -)")
    add("--recipe", default="", help="recipe's path in the repository, recorded")
    add("--unknown_symbols", choices=UNKNOWN, default=UNKNOWN[0], help="skip such utterances")
    add("--num_shown", type=int, default=3, help="utterances whose pitch is drawn")
    add("--device", default="cpu")
    return parser


def main() -> None:
    """Parse, speak, compare, write."""
    begin = time.perf_counter()
    args = get_parser().parse_args()
    experiment = load_experiment(args.exp, args.checkpoint, args.device)
    phones, frames = PhoneStore(args.phones), open_frames(args.frames)
    check_frames(experiment, phones, frames)
    lines = lines_of(phones, scores.usable_ids(phones, frames))
    symbols = {utt_id: line.symbols for utt_id, line in lines.items()}
    usable = experiment.facts.symbols.usable(symbols, args.unknown_symbols)
    lines = {utt_id: lines[utt_id] for utt_id in usable}
    compared = scores.compare(lines, frames, Synthesizer(experiment))
    given = experiment.config.get("config")
    told = {
        "recipe": args.recipe or None,
        "config": given and Path(given).name,
        "exp": str(args.exp),
        "checkpoint": args.checkpoint,
        "set": args.set or args.phones.absolute().name.replace("-", "_"),
        "target": experiment.config["target"],
        "utterances": len(compared),
    }
    results = [
        Result(metric, score.value, score.unit, {**told, **more}, score.interval)
        for metric, score, more in scores.all_scores(compared, frames)
    ]
    args.out.mkdir(parents=True, exist_ok=True)
    rows = table(results)
    text = render(rows[0], rows[1:], "text")
    write_atomic(args.out / "scores.txt", text)
    print(text, end="")
    draw_durations(*scores.milliseconds(compared, frames.grid), args.out / "durations.png")
    contours = scores.contours(compared, frames.grid, args.num_shown)
    if contours:
        draw_pitch(contours, args.out / "pitch.png")
    write_results(args.out / FILE_NAME, results, time.perf_counter() - begin)


def check_frames(experiment: Experiment, phones: PhoneStore, frames: Frames) -> None:
    """Refuse reference frames of another making than the training's.

    Raises:
        CheckpointError: Naming them.
    """
    expected = experiment.made_by
    for path, found in ((frames.path, frames.made_by()), (phones.path, phones.plan["frames"])):
        if found != expected:
            raise CheckpointError(
                f"{path}: expected frames of {expected}, with which {experiment.path} was "
                f"trained, found {found}"
            )


if __name__ == "__main__":
    cli.run(main)
