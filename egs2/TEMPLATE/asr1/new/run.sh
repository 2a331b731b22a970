#!/usr/bin/env bash
# Codec-ASR on @corpus@. Every option of asr.sh may be set here or given on the command line (--help lists them).
set -euo pipefail
cd "$(dirname "$0")"

# --size ci            the smallest configs (conf/ci), to see in minutes that everything runs
# --codec NAME         a codec of conf/codecs (dac_16k, soundstream_16k, ...), a checkpoint or an exp dir;
#                      without it, --codec_recipe trains one
# --input audio        log-mel frames in place of codes: the baseline
# --token_type bpe --nbpe 500   pieces for sentences, characters for words
# --noises DIR         a data dir of noise clips: noisy copies of the test sets, and a robustness table
bash ./asr.sh --codec_recipe ../../mini/ssl1/run.sh --text_args "--case lower" --unknown_symbols unk --unfit skip "$@"
