"""Token stores: show, check, print, convert, combine."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from codec_ssl.bin import cli
from codec_ssl.errors import TokenError
from codec_ssl.tokens import contract, exchange
from codec_ssl.tokens.combine import combine_stores
from codec_ssl.tokens.files import canonical, replacing, text_digest
from codec_ssl.tokens.stats import store_stats
from codec_ssl.tokens.store import TokenStore


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)

    info = verbs.add_parser("info", help="what made a store, sizes, bitrate, use of codebooks")
    info.add_argument("store", type=Path)
    info.add_argument("--json", type=cli.str2bool, default=False, help="true: for programs")

    check = verbs.add_parser("check", help="checksums, and fitness for a training")
    check.add_argument("store", type=Path, help="codes of the train set")
    check.add_argument("--labels", type=Path, help="labels of the train set")
    check.add_argument("--valid", type=Path, help="codes of the valid set")
    check.add_argument("--valid_labels", type=Path, help="labels of the valid set")
    check.add_argument("--max_length_gap", type=int, default=1, help="in frames")
    check.add_argument("--checksums", type=cli.str2bool, default=True, help="false: read no token")

    cat = verbs.add_parser("cat", help="print codes as text: utt_id c0,c1 c0,c1")
    cat.add_argument("store", type=Path)
    cat.add_argument("utt_ids", nargs="*", metavar="UTT_ID", help="all where none is given")

    shapes = verbs.add_parser("shapes", help="write 'utt_id frames', an ESPnet shape file")
    shapes.add_argument("store", type=Path)
    shapes.add_argument("out", type=Path)

    export = verbs.add_parser("export", help="write in another format")
    export.add_argument("store", type=Path)
    export.add_argument("out", type=Path, help="file; folder or .npz file; ark: without suffix")
    export.add_argument("--format", required=True, choices=exchange.FORMATS)

    take = verbs.add_parser("import", help="make a store of tokens made elsewhere")
    take.add_argument("source", type=Path)
    take.add_argument("store", type=Path)
    take.add_argument("--format", required=True, choices=exchange.FORMATS)
    take.add_argument("--utt_ids", type=Path, help="tokens: ids, one a line (or SOURCE.utt_ids)")
    take.add_argument("--codebook_size", required=True, help="K, or K of each: 1024,1024,256")
    take.add_argument("--frame_rate", type=float, required=True, help="frames a second")
    take.add_argument("--sample_rate", type=int, default=16000, help="of the audio, in Hz")
    take.add_argument("--maker", required=True, help="name of what made them: hubert_iter0_l6_k500")
    take.add_argument("--kind", default="external", help="codec: inputs; anything else: labels")
    take.add_argument("--encoder", help="whose features were quantized: hubert_base")
    take.add_argument("--layer", type=int, help="of the encoder, 1-based")

    join = verbs.add_parser("combine", help="one store of several of the same maker")
    join.add_argument("out", type=Path)
    join.add_argument("stores", type=Path, nargs="+")
    return parser


def main() -> None:
    """Parse and run one verb."""
    args = get_parser().parse_args()
    verbs = {
        "info": info,
        "check": check,
        "cat": cat,
        "shapes": shapes,
        "export": export,
        "import": take,
        "combine": join,
    }
    verbs[args.verb](args)


def info(args: argparse.Namespace) -> None:
    """Print a store's statistics."""
    store = TokenStore(args.store)
    stats, meta = store_stats(store), store.meta
    if args.json:
        print(json.dumps({"maker": meta.maker, "fingerprint": meta.fingerprint} | asdict(stats)))
        return
    share = stats.payload_bytes / stats.total_bytes
    print(f"store        {store.path}")
    print(f"maker        {', '.join(f'{key} {value}' for key, value in meta.maker.items())}")
    print(f"fingerprint  {meta.fingerprint}")
    print(f"utterances   {stats.num_utterances}, skipped {stats.num_skipped} {meta.skipped or ''}")
    print(
        f"duration     {stats.hours:.2f} h, {stats.num_frames} frames at {meta.frame_rate:g} a "
        f"second; utterances {stats.min_seconds:.2f} to {stats.max_seconds:.2f} s, mean "
        f"{stats.mean_seconds:.2f} s"
    )
    print(
        f"bitrate      {stats.bitrate:.2f} kbit/s packed, {stats.nominal_bitrate:.2f} kbit/s with "
        f"log2 K bits a code; entropy {stats.entropy_bitrate:.2f} kbit/s"
    )
    print(f"size         {stats.total_bytes / 1e6:.2f} MB, codes {share:.2%} of it")
    print()
    print("codebook   size  bits   usage  perplexity  entropy  most frequent")
    for row in stats.rows():
        print(
            f"{row['codebook']:8d} {row['size']:6d} {row['bits']:5d} {row['usage']:7.1%} "
            f"{row['perplexity']:11.1f} {row['entropy']:8.3f} {row['top_share']:14.1%}"
        )


def check(args: argparse.Namespace) -> None:
    """Check stores, alone and against each other."""
    if args.valid_labels and not (args.valid and args.labels):
        raise TokenError("--valid_labels: expected --labels and --valid beside it")
    paths = (args.store, args.labels, args.valid, args.valid_labels)
    train, labels, valid, valid_labels = (path and TokenStore(path) for path in paths)
    if args.checksums:
        for store in filter(None, (train, labels, valid, valid_labels)):
            store.verify()
            print(f"{store.path}: all checksums hold")
    for inputs, targets in ((train, labels), (valid, valid_labels)):
        if inputs is not None:
            report = contract.check(inputs, targets, max_length_gap=args.max_length_gap)
            print("\n".join(report.lines()))
    for first, second in ((train, valid), (labels, valid_labels)):
        if first is not None and second is not None:
            contract.check_pair(first, second)
            print(f"{first.path} and {second.path}: same maker")


def cat(args: argparse.Namespace) -> None:
    """Print codes as text."""
    store = TokenStore(args.store)
    for utt_id in args.utt_ids or store:
        print(utt_id, exchange.format_codes(store[utt_id]))


def shapes(args: argparse.Namespace) -> None:
    """Write a shape file without reading a token."""
    store = TokenStore(args.store)
    pairs = zip(store.utt_ids, store.lengths.tolist(), strict=True)
    with replacing(args.out) as file:
        file.write("".join(f"{utt_id} {frames}\n" for utt_id, frames in pairs).encode())


def export(args: argparse.Namespace) -> None:
    """Write a store in another format."""
    exchange.export_tokens(TokenStore(args.store), args.out, args.format)


def take(args: argparse.Namespace) -> None:
    """Make a store of tokens made elsewhere."""
    try:
        sizes = [int(size) for size in args.codebook_size.split(",")]
    except ValueError as error:
        raise TokenError(
            f"--codebook_size: expected numbers, found {args.codebook_size}"
        ) from error
    told = {"name": args.maker, "codebook_size": sizes, "frame_rate": args.frame_rate}
    origin = {key: getattr(args, key) for key in ("encoder", "layer")}
    origin = {key: value for key, value in origin.items() if value is not None}
    store = exchange.import_tokens(
        exchange.open_source(args.source, args.format, args.utt_ids),
        args.store,
        codebook_size=sizes,
        frame_rate=args.frame_rate,
        sample_rate=args.sample_rate,
        # The name stands for the model: two sets imported under one name count as one maker's.
        maker={
            "kind": args.kind,
            "name": args.maker,
            "fingerprint": text_digest(canonical(told | origin)),
            **origin,
        },
    )
    print(store)


def join(args: argparse.Namespace) -> None:
    """Make one store of several."""
    print(combine_stores([TokenStore(path) for path in args.stores], args.out))


if __name__ == "__main__":
    cli.run(main)
