"""Make waveforms of tokens with a trained vocoder: WAVs and a data dir of them.

    python -m codec_ssl.bin.vocoder_synthesize --exp exp/vocoder --store dump/tokens/test \
        --data_dir data/test --out exp/vocoder/test

With --voice_conversion SEED every utterance gets the voice of another speaker of the training;
"target2ref" then names an utterance of that speaker, and "target_reference" is a data dir of them.
"""

import argparse
from pathlib import Path

from codec_ssl.bin import cli
from codec_ssl.bin.encoder_options import add_job_options
from codec_ssl.data.data_dir import DataDir, only
from codec_ssl.data.tables import write_table
from codec_ssl.errors import ConfigError
from codec_ssl.tokens.store import TokenStore
from codec_ssl.tts.script import Script
from codec_ssl.tts.spoken_dir import SpokenDir
from codec_ssl.vocoder.convert import draw_references, draw_targets, write_references
from codec_ssl.vocoder.experiment import NONE, Vocoder, load_vocoder
from codec_ssl.vocoder.synthesizer import StoreSpeaker

REFERENCES, REFERENCE_DIR = "target2ref", "target_reference"


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--exp", type=Path, required=True, help="experiment of vocoder_train")
    add("--checkpoint", default="best", help="best, latest or an epoch number")
    add("--store", type=Path, required=True, help="tokens, of the kind of the training's")
    add("--f0_store", type=Path, help="codes of pitch, where the vocoder takes them")
    add("--data_dir", type=Path, required=True, help="utterances, their speakers and texts")
    add("--out", type=Path, required=True, help="folder of the WAVs and their data dir")
    add("--deduplicate", type=cli.str2bool, default=False, help="predict how long units last")
    add("--voice_conversion", type=int, metavar="SEED", help="draw other speakers")
    add("--reference_dir", type=Path, help="data dir of their references; default: --data_dir")
    add("--device", default="cpu")
    add_job_options(parser)
    add("--finalize", type=cli.str2bool, help="write the data dir; default: with one job")
    return parser


def main() -> None:
    """Parse, make this job's parts, write the data dir."""
    args = get_parser().parse_args()
    if args.reference_dir and args.voice_conversion is None:
        raise ConfigError("--reference_dir is of --voice_conversion")
    vocoder = load_vocoder(args.exp, args.checkpoint, args.device)
    source = DataDir(args.data_dir)
    reference = DataDir(args.reference_dir or args.data_dir)
    speakers = only(source.utt2spk, source.utt_ids)
    if args.voice_conversion is not None:
        speakers = _targets(vocoder, speakers, reference, args.voice_conversion)
    speaker = StoreSpeaker(
        vocoder,
        TokenStore(args.store),
        speakers,
        TokenStore(args.f0_store) if args.f0_store else None,
        deduplicate=args.deduplicate,
    )
    folder = SpokenDir(args.out, speaker.utt_ids, vocoder.facts.sample_rate, speaker.plan)
    folder.run(speaker, args.job, args.num_jobs)
    if args.finalize if args.finalize is not None else args.num_jobs == 1:
        made = only(speakers, speaker.utt_ids)
        if args.voice_conversion is not None:
            drawn = draw_references(made, reference.utt2spk, args.voice_conversion)
            write_table(args.out / REFERENCES, drawn)
            write_references(args.out / REFERENCE_DIR, reference, made, drawn)
        data_dir = folder.finalize(Script(source.text, made, _languages(source)))
        print(f"{data_dir.path}: {len(data_dir)} utterances")


def _targets(
    vocoder: Vocoder, utt2spk: dict[str, str], reference: DataDir, seed: int
) -> dict[str, str]:
    """Draw other speakers, of whom there is a reference."""
    if vocoder.facts.speaker_kind == NONE:
        raise ConfigError(
            f"{vocoder.path}: --voice_conversion: expected a vocoder that tells speakers apart, "
            "found one of a single voice"
        )
    there = set(vocoder.facts.speakers) & set(reference.utt2spk.values())
    return draw_targets(utt2spk, there, seed)


def _languages(source: DataDir) -> dict[str, str]:
    return source.labels("lang") if "lang" in source.label_names else {}


if __name__ == "__main__":
    cli.run(main)
