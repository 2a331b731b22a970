#!/usr/bin/env bash
# Codec-token synthesis on CSS10 German or Spanish, one model a language (arXiv 2601.12205, Table 3).
#   bash run.sh --lang de --ngpu 1 --local_data_opts "--corpus DIR" --codec DIR     German
#   bash run.sh --lang es --ngpu 1 --local_data_opts "--corpus DIR" --codec DIR     Spanish
# Data, dump and experiments of a language are in folders of its name. Any option of tts.sh may follow; --help lists them.
set -euo pipefail
cd "$(dirname "$0")"

lang=de data_opts="" options=()
while [ $# -gt 0 ]; do
    case $1 in
        --lang) lang=${2:-}; shift $(($# > 1 ? 2 : 1)) ;;
        --lang=*) lang=${1#--lang=}; shift ;;
        --local_data_opts) data_opts=${2:-}; shift $(($# > 1 ? 2 : 1)) ;;
        --local_data_opts=*) data_opts=${1#--local_data_opts=}; shift ;;
        *) options+=("$1"); shift ;;
    esac
done
case ${lang} in
    de) language=german ;;
    es) language=spanish ;;
    *) echo "error: --lang is de or es, not '${lang}'" >&2; exit 1 ;;
esac
bash ./tts.sh --nj 8 --codec soundstream_16k --num_codebooks 8 --align "${lang}" --local_data_opts "--lang ${lang} ${data_opts}" \
    --datadir "data/${lang}" --dumpdir "dump/${lang}" --expdir "exp/${lang}" \
    --train_set "css10_${language}_train" --valid_set "css10_${language}_valid" --test_set "css10_${language}_test" \
    --mel_conf "sample_rate=22050 n_fft=1024 hop_length=256 fmin=80 fmax=7600" "${options[@]}"
