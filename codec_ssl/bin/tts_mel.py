"""Make mel spectra as a vocoder takes them: what tts_train --target mel predicts.

python -m codec_ssl.bin.tts_mel --data_dir data/train --out dump/mel/train
"""

import argparse
from dataclasses import fields
from pathlib import Path

from codec_ssl.bin import cli
from codec_ssl.bin.encoder_options import add_job_options
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import ConfigError
from codec_ssl.features.cache_writer import write_cache
from codec_ssl.features.utterances import WaveUtterances
from codec_ssl.features.vocoder_mel import MelConf, VocoderMel
from codec_ssl.tts.frames import write_mel_conf


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--data_dir", type=Path, required=True, help="audio")
    add("--out", type=Path, required=True, help="feature cache to write")
    names = " ".join(f"{each.name}={each.default}" for each in fields(MelConf))
    add("--mel_conf", nargs="*", default=[], metavar="NAME=N", help=f"the vocoder's: {names}")
    add_job_options(parser)
    return parser


def mel_conf(words: list[str]) -> MelConf:
    """Parse ``NAME=N`` options.

    Raises:
        ConfigError: An option is unknown or no number.
    """
    known = {each.name for each in fields(MelConf)}
    values = {}
    for word in words:
        name, _, value = word.partition("=")
        if name not in known or not value.isdigit():
            raise ConfigError(f"--mel_conf: expected NAME=N of {sorted(known)}, found {word!r}")
        values[name] = int(value)
    return MelConf(**values)


def main() -> None:
    """Parse and write this job's shards."""
    args = get_parser().parse_args()
    conf = mel_conf(args.mel_conf)
    data_dir = DataDir(args.data_dir)
    encoder = VocoderMel(conf)
    write_cache(
        encoder,
        WaveUtterances(data_dir, encoder),
        0,
        args.out,
        dtype="float32",
        job=args.job,
        num_jobs=args.num_jobs,
        data_dir=data_dir,
    )
    write_mel_conf(args.out, conf)


if __name__ == "__main__":
    cli.run(main)
