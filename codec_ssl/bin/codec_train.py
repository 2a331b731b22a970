"""Train a codec: ``python -m codec_ssl.bin.codec_train --config ... --output_dir ...``."""

from codec_ssl.bin.cli import run


def main() -> None:
    """Run the task; it is imported here because that alone takes many seconds."""
    from codec_ssl.tasks.codec import CodecTask

    CodecTask.main()


if __name__ == "__main__":
    run(main)
