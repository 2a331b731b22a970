#!/usr/bin/env bash
# Decoder-only ASR on @corpus@. Every option of asr.sh may be set here or given on the command line (--help lists them).
set -euo pipefail
cd "$(dirname "$0")"

# --size ci           the smallest config (conf/ci), to see in minutes that everything runs
# --tokens DIR        token stores by set name: of tok1, of a codec, or imported (python -m codec_ssl.bin.tokens import)
# --features DIR      feature caches in place of token stores
# --datadir DIR       data dirs of the same names; text is needed
# --train_set "a b"   several sets are joined: several languages, one model
bash ./asr.sh --tokens ../tok1/dump/hubert_base_l9/repcodec --vocab_size 500 "$@"
