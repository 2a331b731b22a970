#!/usr/bin/env bash
# CSS10 German or Spanish as data dirs css10_<language>_{train,valid,test}: --corpus DIR has german or spanish in it (default: $CSS10).
set -euo pipefail
. ./path.sh
# options
datadir=data     # where the data dirs go
lang=de          # de or es
corpus=          # the folder with german and spanish; default: $CSS10
textgrids=       # folder with <utterance>.TextGrid of an aligner: all sets get phones.ctm
# end options
. "${root}/utils/parse_options.sh"
corpus=${corpus:-${CSS10:-}}
if [ -z "${corpus}" ]; then
    echo "error: say where CSS10 is: --local_data_opts '--corpus DIR', or CSS10=DIR" >&2
    exit 1
fi
case ${lang} in
    de) language=german ;;
    es) language=spanish ;;
    *) echo "error: --lang is de or es, not '${lang}'" >&2; exit 1 ;;
esac
python -m codec_ssl.bin.prepare_data css10 --corpus_dir "${corpus}" --languages "${language}" --out_dir "${datadir}"
if [ -n "${textgrids}" ]; then
    for set in train valid test; do
        python -m codec_ssl.bin.prepare_data phones --data_dir "${datadir}/css10_${language}_${set}" --textgrids "${textgrids}"
    done
fi
