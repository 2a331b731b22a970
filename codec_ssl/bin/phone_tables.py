"""Commands of ``prepare_data`` for phones: their times, and what a transcript is spelt with."""

import argparse
from pathlib import Path

from codec_ssl.data.alignment import is_pause, read_textgrids, write_ctm
from codec_ssl.data.data_dir import PHONES, DataDir
from codec_ssl.data.superb import tables
from codec_ssl.errors import DataError


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``align``, ``phones`` and ``spell``."""
    _add_align(commands.add_parser("align", help="phones.ctm of a transcribed data dir"))
    _add_phones(commands.add_parser("phones", help="phones.ctm from an aligner's TextGrids"))
    _add_spell(commands.add_parser("spell", help="phones of transcripts, without times"))


def _add_align(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data_dir", type=Path, required=True, help="gets phones.ctm")
    parser.add_argument("--language", default="en", help="voice of espeak-ng: en, de, es, ...")
    parser.set_defaults(call=_align)


def _add_phones(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data_dir", type=Path, required=True, help="gets phones.ctm")
    parser.add_argument("--textgrids", type=Path, required=True, help="has <utterance>.TextGrid")
    parser.add_argument("--tier", default="phones", help="interval tier to read")
    parser.add_argument("--stress", action="store_true", help="keep AH0 and AH1 apart")
    parser.set_defaults(call=_phones)


def _add_spell(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data_dirs", type=Path, nargs="+", required=True, help="get phones")
    parser.add_argument("--lexicon", type=Path, help="lines of a word and its phones")
    parser.add_argument("--no_stress", action="store_true", help="take AH0 and AH1 for one phone")
    parser.add_argument(
        "--language", default="en", help="without --lexicon: espeak-ng spells, with this voice"
    )
    parser.set_defaults(call=_spell)


def _align(args: argparse.Namespace) -> list[DataDir]:
    from codec_ssl.data.synthetic_alignment import align_data_dir  # librosa takes seconds to import

    data_dir = DataDir(args.data_dir)
    write_ctm(data_dir.path / PHONES, align_data_dir(data_dir, args.language))
    return [data_dir]


def _phones(args: argparse.Namespace) -> list[DataDir]:
    data_dir = DataDir(args.data_dir)
    found = read_textgrids(args.textgrids, data_dir.utt_ids, args.tier, stress=args.stress)
    write_ctm(data_dir.path / PHONES, found)
    print(f"{data_dir.path}: phones of {len(found)} of {len(data_dir)} utterances")
    return []


def _spell(args: argparse.Namespace) -> list[DataDir]:
    from codec_ssl.tts.text_to_phones import Lexicon, espeak_phones

    lexicon = Lexicon(args.lexicon, stress=not args.no_stress) if args.lexicon else None
    made = [DataDir(path) for path in args.data_dirs]
    for data_dir in made:
        if not data_dir.text:
            raise DataError(f"{data_dir.path}/text: expected transcripts to spell, found none")
        if lexicon is not None:
            spelt = lexicon.phones(data_dir.text)
        else:
            spelt = espeak_phones(data_dir.text, dict.fromkeys(data_dir.text, args.language))
        phones = {
            utt: [phone for phone in found if not is_pause(phone)] for utt, found in spelt.items()
        }
        tables.write_symbols(data_dir, tables.PHONES, phones)
    return made
