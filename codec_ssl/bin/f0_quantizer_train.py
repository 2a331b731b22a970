"""Train an F0 quantizer: ``python -m codec_ssl.bin.f0_quantizer_train --config ... --output_dir``.

The output directory is what ``f0_codes`` takes.
"""

from codec_ssl.bin.cli import run


def main() -> None:
    """Run the task; it is imported here because that alone takes many seconds."""
    from codec_ssl.tasks.f0_quantizer import F0QuantizerTask

    F0QuantizerTask.main()


if __name__ == "__main__":
    run(main)
