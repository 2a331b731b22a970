"""Find F0 every 5 ms: what f0_quantizer_train and f0_codes read.

python -m codec_ssl.bin.f0_contours --data_dir data/train --out dump/f0_contours/train
"""

import argparse
from pathlib import Path

from codec_ssl.bin import cli
from codec_ssl.bin.encoder_options import add_job_options
from codec_ssl.data.data_dir import DataDir
from codec_ssl.features.cache_writer import write_cache
from codec_ssl.features.utterances import WaveUtterances
from codec_ssl.tts.prosody import METHODS, PitchOptions
from codec_ssl.vocoder.f0 import TRACKER, PitchContour

# 22 minutes of audio: what a killed job does again, and what jobs share.
SHARD_BYTES = 1 << 20


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--data_dir", type=Path, required=True, help="audio")
    add("--out", type=Path, required=True, help="feature cache to write")
    add("--method", choices=METHODS, default=TRACKER.method, help="how it is found")
    add("--f0_min", type=float, default=TRACKER.f0_min, help="Hz")
    add("--f0_max", type=float, default=TRACKER.f0_max, help="Hz")
    add_job_options(parser)
    return parser


def main() -> None:
    """Parse and write this job's shards."""
    args = get_parser().parse_args()
    data_dir = DataDir(args.data_dir)
    encoder = PitchContour(PitchOptions(args.method, args.f0_min, args.f0_max))
    utterances = WaveUtterances(data_dir, encoder)
    jobs = {"job": args.job, "num_jobs": args.num_jobs}
    # Half precision would round F0 to a quarter of a hertz and more.
    options = {"dtype": "float32", "shard_bytes": SHARD_BYTES, "data_dir": data_dir}
    write_cache(encoder, utterances, 0, args.out, **options, **jobs)


if __name__ == "__main__":
    cli.run(main)
