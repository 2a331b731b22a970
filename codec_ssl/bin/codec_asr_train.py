"""Train ASR on codes or audio: ``python -m codec_ssl.bin.codec_asr_train --config ...``.

The output directory is what ``codec_asr_decode`` takes, and ESPnet's own inference with
``codec_ssl.bin.asr_inference``.
"""

from codec_ssl.bin.cli import run


def main() -> None:
    """Run the task; it is imported here because that alone takes many seconds."""
    from codec_ssl.tasks.codec_asr import CodecASRTask

    CodecASRTask.main()


if __name__ == "__main__":
    run(main)
