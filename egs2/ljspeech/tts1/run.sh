#!/usr/bin/env bash
# Codec-token synthesis on LJSpeech: FastSpeech2 on 8 streams of a SoundStream, with its references (arXiv 2601.12205, Table 3).
#   bash run.sh --ngpu 1 --local_data_opts "--corpus DIR"                        the published English SoundStream
#   bash run.sh --ngpu 1 --local_data_opts "--corpus DIR" --codec DIR            any other codec
#   bash run.sh --ngpu 1 --local_data_opts "--corpus DIR --textgrids DIR" --reading phones       an aligner's phones
#   bash run.sh --ngpu 1 --systems codes,mel,copy,mel_copy --vocoder FILE.pkl    with mel spectra and a vocoder
# Any option of tts.sh may follow; --help lists them.
set -euo pipefail
cd "$(dirname "$0")"

bash ./tts.sh --nj 8 --codec soundstream_16k --num_codebooks 8 --align en \
    --train_set ljspeech_train --valid_set ljspeech_valid --test_set ljspeech_test \
    --mel_conf "sample_rate=22050 n_fft=1024 hop_length=256 fmin=80 fmax=7600" "$@"
