"""Train EnCodecMAE: ``python -m codec_ssl.bin.encodecmae_train --config ... --output_dir ...``."""

from codec_ssl.bin.cli import run


def main() -> None:
    """Run the task; it is imported here because that alone takes many seconds."""
    from codec_ssl.tasks.encodecmae import EncodecMAETask

    EncodecMAETask.main()


if __name__ == "__main__":
    run(main)
