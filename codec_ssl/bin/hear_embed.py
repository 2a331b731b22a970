"""Make the scene embeddings of a task's sounds, in any number of jobs.

``hear_evaluate`` takes them, and makes what is missing; this is for many jobs or GPUs.
"""

import argparse

from codec_ssl.bin import cli
from codec_ssl.bin.encoder_options import add_job_options
from codec_ssl.bin.hear_options import add_options, open_embedder, open_sets
from codec_ssl.evaluation.hear.embeddings import write_embeddings
from codec_ssl.evaluation.hear.tasks import read_task


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_options(parser)
    add_job_options(parser)
    return parser


def main() -> None:
    """Parse and write."""
    args = get_parser().parse_args()
    sets, seconds = open_sets(args.data_dirs), read_task(args.task).seconds
    embedder = open_embedder(args)
    dealt = 0
    for data_dir in sets.values():
        jobs = (args.job, args.num_jobs, dealt)
        dealt += write_embeddings(embedder, data_dir, args.cache, seconds, *jobs)


if __name__ == "__main__":
    cli.run(main)
