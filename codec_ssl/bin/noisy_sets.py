"""Noisy copies of a data dir: noise at given ratios, in rooms if you like; mixtures.tsv tells how.

    python -m codec_ssl.bin.noisy_sets --data_dir data/test --noises data/noises \
        --snrs "0 5 10 15 20" --seed 0 --out data/test_noisy
    python -m codec_ssl.bin.noisy_sets --data_dir data/train --noises data/noises \
        --snr_range "0 20" --rooms data/rooms --out data/train_noisy

The first makes data dirs data/test_noisy/snr0, snr5, ... with the ids of the clean set; the second
one data dir, whose utterances have ratios and ids of their own, to train on both. Jobs (--job J
--num_jobs N) share the utterances; --finalize true mixes whatever is left and writes the data dirs.
A killed job goes on where it was.
"""

import argparse
from pathlib import Path

from codec_ssl.bin import cli
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.noise_clips import NoiseClips, RoomResponses
from codec_ssl.data.noisy_sets import PART_UTTERANCES, Conditions, NoisySets
from codec_ssl.errors import ConfigError

# Of copies to train on: they are joined with the clean set, whose ids they cannot have.
RANGE_PREFIX = "noisy-"


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--data_dir", type=Path, required=True, help="the clean speech")
    add("--noises", type=Path, required=True, help="data dir of noises, as prepare_data makes it")
    add("--rooms", type=Path, help="data dir of room responses; default: no room")
    add("--snrs", default="", help='ratios in dB, a data dir each: "0 5 10"')
    add("--snr_range", default="", metavar="LOW HIGH", help='in place of them, as in "0 20"')
    add("--seed", type=int, default=0, help="of noises, places, rooms and ratios")
    add("--prefix", help=f"before utterance ids (default: {RANGE_PREFIX} for a range, else none)")
    add("--out", type=Path, required=True, help="folder of the data dirs")
    add("--max_bad_rate", type=float, default=0.01, help="unusable or silent utterances allowed")
    add("--part_utterances", type=cli.positive_int, default=PART_UTTERANCES)
    add("--job", type=cli.positive_int, default=1, help="number of this job, from 1")
    add("--num_jobs", type=cli.positive_int, default=1, help="jobs that share the utterances")
    add("--finalize", type=cli.str2bool, help="write the data dirs; default: with one job")
    return parser


def main() -> None:
    """Parse, mix, finalize."""
    args = get_parser().parse_args()
    sets = NoisySets(
        args.out,
        DataDir(args.data_dir),
        NoiseClips(DataDir(args.noises)),
        conditions_of(args),
        RoomResponses(DataDir(args.rooms)) if args.rooms else None,
        args.part_utterances,
    )
    sets.run(args.job, args.num_jobs)
    if args.finalize if args.finalize is not None else args.num_jobs == 1:
        for data_dir in sets.finalize(args.max_bad_rate):
            print(f"{data_dir.path}: {len(data_dir)} utterances")


def conditions_of(args: argparse.Namespace) -> Conditions:
    """What the command line asks for.

    Raises:
        ConfigError: If it asks for no ratios, or for what are none.
    """
    limits = _numbers("--snr_range", args.snr_range)
    if len(limits) not in (0, 2):
        raise ConfigError(f'--snr_range: expected "LOW HIGH" in dB, found {args.snr_range!r}')
    prefix = RANGE_PREFIX if limits else ""
    return Conditions(
        snrs=_numbers("--snrs", args.snrs),
        snr_range=(limits[0], limits[1]) if limits else None,
        seed=args.seed,
        prefix=prefix if args.prefix is None else args.prefix,
    )


def _numbers(option: str, given: str) -> tuple[float, ...]:
    try:
        return tuple(float(number) for number in given.replace(",", " ").split())
    except ValueError:
        raise ConfigError(f"{option}: expected numbers in dB, found {given!r}") from None


if __name__ == "__main__":
    cli.run(main)
