"""Fit k-means on one layer's features, which stream by: nothing is dumped.

Where no ``--layer`` is named, an EnCodecMAE is clustered at the last layer of its stack, as in its
paper; the k-means keeps the number, which ``extract_labels`` takes from it.
"""

import argparse
from pathlib import Path

from codec_ssl.bin import cli
from codec_ssl.bin.encoder_options import (
    add_encoder_options,
    given_layer,
    open_material,
)
from codec_ssl.features.base import SpeechEncoder
from codec_ssl.features.encodecmae import EncodecMAEEncoder
from codec_ssl.tokenizers.kmeans import BACKENDS, KMeans, KMeansOptions
from codec_ssl.tokenizers.labels import fit_tokenizer


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    defaults = KMeansOptions()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_encoder_options(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder of the k-means")
    parser.add_argument("--num_clusters", type=int, default=defaults.num_clusters)
    parser.add_argument("--max_frames", type=int, default=defaults.max_frames, help="kept frames")
    parser.add_argument("--portion", type=float, default=1.0, help="share of utterances to use")
    parser.add_argument("--max_utterances", type=int, help="at most so many, at random")
    parser.add_argument("--num_iterations", type=int, default=defaults.num_iterations)
    parser.add_argument("--num_restarts", type=int, default=defaults.num_restarts)
    parser.add_argument("--init", choices=["kmeans++", "random"], default=defaults.init)
    center = "take each utterance's mean off its frames"
    parser.add_argument("--center", type=cli.str2bool, default=defaults.center, help=center)
    parser.add_argument("--backend", choices=BACKENDS, default=defaults.backend)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    return parser


def _layer(args: argparse.Namespace, encoder: SpeechEncoder) -> int:
    named = args.layer is not None or args.layer_weights is not None
    if not named and isinstance(encoder, EncodecMAEEncoder):
        # The encoder's last number is its output, with ResiDual's second stream added.
        return encoder.num_layers - 1
    return given_layer(args)


def main() -> None:
    """Parse and fit."""
    args = get_parser().parse_args()
    material = open_material(args)
    names = (
        *("num_clusters", "max_frames", "num_iterations", "num_restarts"),
        *("init", "seed", "backend", "center"),
    )
    tokenizer = KMeans(KMeansOptions(**{name: getattr(args, name) for name in names}))
    fit_tokenizer(
        tokenizer,
        material.encoder,
        material.utterances,
        _layer(args, material.encoder),
        portion=args.portion,
        max_utterances=args.max_utterances,
        seed=args.seed,
        data_dir=material.data_dir,
        batch_frames=args.batch_frames,
    )
    tokenizer.save(args.out)


if __name__ == "__main__":
    cli.run(main)
