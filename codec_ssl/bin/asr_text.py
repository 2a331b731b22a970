"""Write the transcripts of a data dir as a model is to learn them, and the labels beside them.

``text`` has the normalised transcripts, by which is scored; ``target`` the same, with
``--lang_token true`` after the token of the utterance's language, with ``--lang_only true``
nothing but that token.
"""

import argparse
from pathlib import Path

from codec_ssl.asr.text import CASES, UNICODE_FORMS, Normalization
from codec_ssl.asr.transcripts import add_unusable_option, read_transcripts
from codec_ssl.bin import cli
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.language_tokens import add_language
from codec_ssl.data.tables import write_table
from codec_ssl.errors import DataError

_TEXT, _TARGET, _LANGUAGE = "text", "target", "lang"


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    plain = Normalization()
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--data_dir", type=Path, nargs="+", required=True, help="several are put together")
    add("--out", type=Path, required=True, help="folder to write")
    add("--case", default=plain.case, choices=CASES)
    add("--unicode", default=plain.unicode, choices=UNICODE_FORMS)
    add("--remove", default=plain.remove, help="characters to leave out, such as .,?!")
    add("--lang_token", type=cli.str2bool, default=False, help="needs utt2lang")
    add("--lang_only", type=cli.str2bool, default=False, help="to identify languages alone")
    add_unusable_option(parser)
    return parser


def main() -> None:
    """Parse, read, write."""
    args = get_parser().parse_args()
    normalize = Normalization(args.unicode, args.case, args.remove)
    texts: dict[str, str] = {}
    labels: dict[str, dict[str, str]] = {}
    for path in args.data_dir:
        data_dir = DataDir(path)
        found = read_transcripts(
            path / _TEXT, normalize, utt_ids=data_dir.utt_ids, unusable=args.unusable_text
        )
        twice = texts.keys() & found.keys()
        if twice:
            raise DataError(f"{path}: utterance {min(twice)} is in several data dirs", "data")
        texts |= {utt: normalize(text) for utt, text in found.items()}
        for name in data_dir.label_names:
            known = data_dir.labels(name).items()
            labels.setdefault(name, {}).update((u, v) for u, v in known if u in found)
    targets = texts
    if args.lang_token or args.lang_only:
        languages = labels.get(_LANGUAGE, {})
        missing = sorted(texts.keys() - languages.keys())
        if missing:
            raise DataError(
                f"{args.data_dir[0]}: --lang_token: expected utt2lang of every utterance, found "
                f"none of {len(missing)}, such as {missing[0]}",
                stage="data",
            )
        spoken = dict.fromkeys(texts, "") if args.lang_only else texts
        targets = {utt: add_language(text, languages[utt]) for utt, text in spoken.items()}
    args.out.mkdir(parents=True, exist_ok=True)
    write_table(args.out / _TEXT, texts)
    write_table(args.out / _TARGET, targets)
    for name, table in labels.items():
        write_table(args.out / f"utt2{name}", table)


if __name__ == "__main__":
    cli.run(main)
