"""Train ASR: ``python -m codec_ssl.bin.decoder_only_asr_train --config ... --output_dir ...``.

The output directory is what ``decode_asr`` takes.
"""

from codec_ssl.bin.cli import run


def main() -> None:
    """Run the task; it is imported here because that alone takes many seconds."""
    from codec_ssl.tasks.decoder_only_asr import DecoderOnlyASRTask

    DecoderOnlyASRTask.main()


if __name__ == "__main__":
    run(main)
