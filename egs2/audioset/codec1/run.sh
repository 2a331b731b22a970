#!/usr/bin/env bash
# The study's third codec (arXiv 2601.12205): eight languages of MLS and AudioSet; the others are in ../../mls/codec1, with the same configs.
#   bash run.sh --ngpu 4
#   bash run.sh --local_data_opts "--hours 900"   that many hours in all: as many of each language and of AudioSet
# Any option of codec.sh may follow; --help lists them.
set -euo pipefail
cd "$(dirname "$0")"

bash ./codec.sh --size multilingual_audio --nj 8 --tag soundstream_multilingual_audio --num_codebooks 8 \
    --eval_sets "ljspeech_test css10_german_test css10_spanish_test audioset_eval" "$@"
