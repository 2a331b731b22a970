"""Train TTS: ``python -m codec_ssl.bin.tts_train --config ... --output_dir ...``.

The output directory is what ``tts_synthesize`` takes.
"""

from codec_ssl.bin.cli import run


def main() -> None:
    """Run the task; it is imported here because that alone takes many seconds."""
    from codec_ssl.tasks.tts import TTSTask

    TTSTask.main()


if __name__ == "__main__":
    run(main)
