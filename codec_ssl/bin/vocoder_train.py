"""Train a vocoder: ``python -m codec_ssl.bin.vocoder_train --config ... --output_dir ...``.

The output directory is what ``vocoder_synthesize`` takes.
"""

from codec_ssl.bin.cli import run


def main() -> None:
    """Run the task; it is imported here because that alone takes many seconds."""
    from codec_ssl.tasks.vocoder import VocoderTask

    VocoderTask.main()


if __name__ == "__main__":
    run(main)
