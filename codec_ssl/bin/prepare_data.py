"""Make data dirs: the embedded corpus, any folder of audio, corpora; phones."""

import argparse
from pathlib import Path

from codec_ssl.bin import (
    noise_corpora,
    phone_tables,
    sound_corpora,
    superb_corpora,
    synthesis_corpora,
)
from codec_ssl.bin.cli import run
from codec_ssl.bin.corpus_options import fractions
from codec_ssl.data import audio_folder, mini_corpus
from codec_ssl.data.corpora import audioset, fma, librilight, ml_superb, mls
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import ConfigError


def get_parser() -> argparse.ArgumentParser:
    """Return the parser, with one command a kind of corpus."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    _add_mini(commands.add_parser("mini", help="synthesize the embedded corpus"))
    _add_folder(commands.add_parser("folder", help="any folder of audio, a manifest if you like"))
    sound_corpora.add_commands(commands)
    noise_corpora.add_commands(commands)
    superb_corpora.add_commands(commands)
    phone_tables.add_commands(commands)
    _add_librispeech(commands.add_parser("librispeech", help="LibriSpeech, by lhotse"))
    _add_mls(commands.add_parser("mls", help="Multilingual LibriSpeech"))
    _add_ml_superb(commands.add_parser("ml_superb", help="ML-SUPERB, 143 languages"))
    _add_audioset(commands.add_parser("audioset", help="AudioSet, as far as it was downloaded"))
    synthesis_corpora.add_commands(commands)
    _add_librilight(commands.add_parser("librilight", help="Libri-Light, cut into pieces"))
    _add_fma(commands.add_parser("fma", help="Free Music Archive, any of its sizes"))
    return parser


def _add_mini(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out_dir", type=Path, required=True)
    parser.add_argument("--size", choices=sorted(mini_corpus.SIZES), default="ci")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(call=_mini)


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--audio_dir", type=Path, required=True)
    parser.add_argument("--out_dir", type=Path, required=True)
    parser.add_argument(
        "--manifest",
        type=Path,
        help="tab separated, with columns utt_id, path (below --audio_dir), and if known speaker, "
        "text; any other column becomes the label file utt2<column>",
    )
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="COLUMN=VALUE,VALUE",
        help="keep only these rows of the manifest; may be given for several columns",
    )
    parser.add_argument("--corpora", metavar="A,B", help="short for --where corpus=A,B")
    parser.add_argument(
        "--fractions", default="0.8,0.1,0.1", metavar="TRAIN,VALID,TEST", help="default %(default)s"
    )
    parser.add_argument(
        "--split_by",
        choices=("utterance", "speaker"),
        default="utterance",
        help="utterance: all speakers and labels in each split; speaker: no speaker in two splits",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the splits")
    parser.add_argument(
        "--max_duration", type=float, metavar="SECONDS", help="cut longer recordings into segments"
    )
    parser.add_argument(
        "--unseen",
        action="append",
        default=[],
        metavar="SPEAKER",
        help="put this speaker into a data dir of its own, unseen; may be given several times",
    )
    parser.set_defaults(call=_folder)


def _add_librispeech(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--corpus_dir", type=Path, required=True, help="the folder LibriSpeech")
    parser.add_argument("--out_dir", type=Path, required=True)
    parser.add_argument("--parts", nargs="+", help="such as dev-clean; all that are there if not")
    parser.add_argument("--num_jobs", type=int, default=1)
    parser.add_argument(
        "--download",
        action="store_true",
        help="first download --parts from OpenSLR into the folder --corpus_dir",
    )
    parser.set_defaults(call=_librispeech)


def _add_mls(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--corpus_dir", type=Path, required=True, help="has mls_french, ... in it")
    parser.add_argument("--out_dir", type=Path, required=True)
    parser.add_argument("--languages", nargs="+", choices=mls.LANGUAGES, required=True)
    parser.add_argument("--parts", nargs="+", choices=mls.PARTS, default=list(mls.PARTS))
    parser.add_argument("--hours", type=float, help="also a random subset of train, so long")
    parser.add_argument("--seed", type=int, default=0, help="of the subset")
    parser.set_defaults(call=_mls)


def _add_ml_superb(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--corpus_dir", type=Path, required=True, help="has fleurs, ... in it")
    parser.add_argument("--out_dir", type=Path, required=True)
    parser.add_argument("--duration", choices=ml_superb.DURATIONS, default="10min")
    parser.add_argument("--corpora", nargs="+", default=[], help="such as fleurs; default: all")
    parser.add_argument("--languages", nargs="+", default=[], help="such as eng; default: all")
    parser.add_argument("--setting", choices=ml_superb.MONOLINGUAL, help="of the monolingual track")
    parser.set_defaults(call=_ml_superb)


def _add_audioset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--corpus_dir", type=Path, required=True, help="with the segments tables and, below, clips"
    )
    parser.add_argument("--out_dir", type=Path, required=True)
    parser.add_argument("--parts", nargs="+", choices=audioset.PARTS, help="default: all there are")
    parser.add_argument("--hours", type=float, help="also a random subset of each part, so long")
    parser.add_argument("--seed", type=int, default=0, help="of the subsets")
    parser.set_defaults(call=_audioset)


def _add_librilight(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--corpus_dir", type=Path, required=True, help="has small, medium, ...")
    parser.add_argument("--out_dir", type=Path, required=True)
    parser.add_argument("--parts", nargs="+", choices=librilight.PARTS, help="default: all there")
    parser.add_argument(
        "--max_duration", type=float, default=librilight.MAX_DURATION, metavar="SECONDS"
    )
    parser.add_argument("--num_jobs", type=int, default=8, help="files opened at a time")
    parser.set_defaults(call=_librilight)


def _add_fma(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--corpus_dir", type=Path, required=True, help="such as fma_large")
    parser.add_argument("--out_dir", type=Path, required=True)
    parser.add_argument("--metadata", type=Path, help="tracks.csv, if it isn't found beside")
    parser.set_defaults(call=_fma)


def _mini(args: argparse.Namespace) -> list[DataDir]:
    return mini_corpus.make(args.out_dir, args.size, args.seed)


def _folder(args: argparse.Namespace) -> list[DataDir]:
    where = dict(_condition(condition) for condition in args.where)
    if args.corpora:
        where["corpus"] = _values(args.corpora)
    return audio_folder.prepare(
        args.audio_dir,
        args.out_dir,
        manifest=args.manifest,
        where=where,
        fractions=dict(zip(audio_folder.FRACTIONS, fractions(args.fractions), strict=True)),
        split_by=args.split_by,
        seed=args.seed,
        max_duration=args.max_duration,
        unseen=args.unseen,
    )


def _librispeech(args: argparse.Namespace) -> list[DataDir]:
    from codec_ssl.data.corpora import librispeech  # lhotse takes seconds to import

    corpus_dir = args.corpus_dir
    if args.download:
        if not args.parts:
            raise ConfigError("--download: expected --parts, such as dev-clean, found none")
        corpus_dir = librispeech.download(corpus_dir, args.parts)
    return librispeech.prepare(corpus_dir, args.out_dir, args.parts, args.num_jobs)


def _mls(args: argparse.Namespace) -> list[DataDir]:
    return mls.prepare(
        args.corpus_dir, args.out_dir, args.languages, args.parts, args.hours, args.seed
    )


def _ml_superb(args: argparse.Namespace) -> list[DataDir]:
    corpora, languages = args.corpora, args.languages
    if args.setting:
        corpora, languages = ([each] for each in ml_superb.MONOLINGUAL[args.setting])
    return ml_superb.prepare(
        args.corpus_dir,
        args.out_dir,
        args.duration,
        corpora=corpora,
        languages=languages,
    )


def _audioset(args: argparse.Namespace) -> list[DataDir]:
    return audioset.prepare(args.corpus_dir, args.out_dir, args.parts, args.hours, args.seed)


def _librilight(args: argparse.Namespace) -> list[DataDir]:
    return librilight.prepare(
        args.corpus_dir, args.out_dir, args.parts, args.max_duration, args.num_jobs
    )


def _fma(args: argparse.Namespace) -> list[DataDir]:
    return fma.prepare(args.corpus_dir, args.out_dir, args.metadata)


def _values(text: str) -> set[str]:
    return {value.strip() for value in text.split(",")}


def _condition(text: str) -> tuple[str, set[str]]:
    column, equals, values = text.partition("=")
    if not equals or not column:
        raise ConfigError(f"--where: expected COLUMN=VALUE,VALUE, found {text!r}")
    return column, _values(values)


def main() -> None:
    """Make the data dirs and print their sizes."""
    args = get_parser().parse_args()
    for data_dir in args.call(args):
        print(f"{data_dir.path}: {len(data_dir)} utterances")


if __name__ == "__main__":
    run(main)
