"""Speak with a trained experiment: WAVs and a data dir of them.

    python -m codec_ssl.bin.tts_synthesize --exp exp/codes --text "good morning" --out out
    python -m codec_ssl.bin.tts_synthesize --exp exp/codes --data_dir data/test --out exp/codes/test
    python -m codec_ssl.bin.tts_synthesize --copy dump/codes/test --codec exp/codec --out exp/copy

The last one decodes reference frames: what the codec or the vocoder alone makes of them.
"""

import argparse
from pathlib import Path

from codec_ssl.bin import cli
from codec_ssl.bin.encoder_options import add_job_options
from codec_ssl.errors import ConfigError
from codec_ssl.tts.experiment import load_experiment
from codec_ssl.tts.frames import open_frames
from codec_ssl.tts.sampling import METHODS, Sampling
from codec_ssl.tts.script import Reading, Script, make_lines, read_script, spoken_script
from codec_ssl.tts.speaking import FrameSpeaker, ScriptSpeaker
from codec_ssl.tts.spoken_dir import SpokenDir
from codec_ssl.tts.symbols import UNKNOWN
from codec_ssl.tts.text_to_phones import KINDS
from codec_ssl.tts.vocoder import GRIFFIN_LIM_ITERATIONS, VoiceOptions, make_voice


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    sampling = Sampling()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--exp", type=Path, help="experiment of tts_train")
    add("--checkpoint", default="best", help="best, latest or an epoch number")
    add("--out", type=Path, required=True, help="folder of the WAVs and their data dir")
    add("--text", help="what to say: a text, or a file of texts by utterance")
    add("--data_dir", type=Path, help="in place of it: text, utt2spk, utt2lang of a data dir")
    add("--phones", type=Path, help="speak the phones of this store; texts only go along")
    add("--teacher", type=cli.str2bool, default=False, help="with the store's prosody, too")
    add("--copy", type=Path, help="no experiment: decode these codes, or spectra of tts_mel")
    add("--num_codebooks", type=int, help="of --copy: the first so many")
    add("--text_type", choices=KINDS, default=KINDS[0], help="phones: texts are symbols already")
    add("--language", help="voice of espeak-ng; default: utt2lang, or the training's only one")
    add("--lexicon", type=Path, help="dictionary in place of espeak-ng, as an aligner takes it")
    add("--unknown_symbols", choices=UNKNOWN, default=UNKNOWN[0], help="skip: leave them out")
    add("--speaker", help="one of the training's; default: utt2spk, or the only one")
    add("--codec", help="as for extract_codes; default: the one that the training recorded")
    add("--vocoder", type=Path, help="checkpoint; default for spectra: Griffin-Lim")
    add("--griffin_lim_iterations", type=int, default=GRIFFIN_LIM_ITERATIONS)
    add("--sampling", choices=METHODS, default=sampling.method, help="how codes are chosen")
    add("--temperature", type=float, default=sampling.temperature, help="of sampling")
    add("--top_k", type=int, default=sampling.top_k, help="of sampling; 0: among all codes")
    add("--seed", type=int, default=sampling.seed, help="of sampling")
    add("--speed", type=float, default=1.0, help="2 speaks twice as fast")
    add("--device", default="cpu")
    add_job_options(parser)
    add("--finalize", type=cli.str2bool, help="write the data dir; default: with one job")
    return parser


def main() -> None:
    """Parse, speak this job's parts, write the data dir."""
    args = get_parser().parse_args()
    if (args.exp is None) == (args.copy is None):
        raise ConfigError("expected either --exp or --copy")
    if args.exp and args.num_codebooks is not None:
        raise ConfigError("--num_codebooks is of --copy: a model speaks all that it predicts")
    if args.teacher and args.speed != 1:
        raise ConfigError("--teacher true: the store's durations are spoken, they take no --speed")
    speaker, script = _copy(args) if args.copy else _speak(args)
    folder = SpokenDir(args.out, speaker.utt_ids, speaker.voice.sample_rate, speaker.plan)
    folder.run(speaker, args.job, args.num_jobs)
    if args.finalize if args.finalize is not None else args.num_jobs == 1:
        data_dir = folder.finalize(script)
        print(f"{data_dir.path}: {len(data_dir)} utterances")


def _speak(args: argparse.Namespace) -> tuple[ScriptSpeaker, Script]:
    experiment = load_experiment(args.exp, args.checkpoint, args.device)
    script = read_script(args.text, args.data_dir, args.phones)
    reading = Reading(
        kind=args.text_type,
        language=args.language,
        lexicon=args.lexicon,
        unknown=args.unknown_symbols,
        speaker=args.speaker,
        given=args.teacher,
    )
    lines = make_lines(script, reading, experiment.facts)
    mel, codec = experiment.facts.mel, args.codec or experiment.config.get("codec")
    voice = make_voice(mel and mel.conf, experiment.made_by, _options(args, codec))
    sampling = Sampling(args.sampling, args.temperature, args.top_k, args.seed)
    speaker = ScriptSpeaker(experiment, lines, voice, sampling, args.speed)
    return speaker, spoken_script(script, lines)


def _copy(args: argparse.Namespace) -> tuple[FrameSpeaker, Script]:
    frames = open_frames(args.copy)
    has_texts = args.text is not None or args.data_dir is not None
    script = read_script(args.text, args.data_dir, None) if has_texts else Script()
    voice = make_voice(frames.mel, frames.made_by(), _options(args, args.codec))
    return FrameSpeaker(frames, voice, args.num_codebooks), script


def _options(args: argparse.Namespace, codec: str | None) -> VoiceOptions:
    return VoiceOptions(codec, args.vocoder, args.griffin_lim_iterations, args.device)


if __name__ == "__main__":
    cli.run(main)
