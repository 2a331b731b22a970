#!/usr/bin/env bash
# Codec-token synthesis on @corpus@. Every option of tts.sh may be set here or given on the command line (--help lists them).
set -euo pipefail
cd "$(dirname "$0")"

# --size ci            the smallest configs (conf/ci), to see in minutes that everything runs
# --codec NAME         a codec of conf/codecs (dac_16k, soundstream_16k, ...), a checkpoint or an exp dir;
#                      without it, --codec_recipe trains one
# --align en           rough alignments for data dirs without phones.ctm; TextGrids of an aligner are better:
#                      python -m codec_ssl.bin.prepare_data phones --data_dir data/SET --textgrids DIR
# --systems LIST       codes, mel, copy, mel_copy
bash ./tts.sh --align en --codec_recipe ../../mini/ssl1/run.sh "$@"
