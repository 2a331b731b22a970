"""Train RepCodec or VQ: ``python -m codec_ssl.bin.train_tokenizer --config ... --output_dir ...``.

The folder ``tokenizer`` in the output directory is what ``extract_labels`` takes.
"""

from codec_ssl.bin.cli import run


def main() -> None:
    """Run the task; it is imported here because that alone takes many seconds."""
    from codec_ssl.tasks.tokenizer import TokenizerTask

    TokenizerTask.main()


if __name__ == "__main__":
    run(main)
