"""ESPnet's own ``asr_inference``, which knows codec codes here; options are ESPnet's.

    python -m codec_ssl.bin.asr_inference --asr_train_config EXP/config.yaml \
        --asr_model_file EXP/valid.cer_ctc.best.pth \
        --data_path_and_name_and_type STORE,speech,token_store --output_dir DIR
"""

from codec_ssl.bin.cli import run


def main() -> None:
    """Add our parts to ESPnet's choices, and run its command."""
    from espnet2.bin.asr_inference import main as espnet_main

    import codec_ssl.tasks.codec_asr  # noqa: F401

    espnet_main()


if __name__ == "__main__":
    run(main)
