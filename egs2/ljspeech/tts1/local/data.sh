#!/usr/bin/env bash
# LJSpeech as data dirs ljspeech_{train,valid,test}: --corpus DIR names the folder LJSpeech-1.1 (default: $LJSPEECH).
set -euo pipefail
. ./path.sh
# options
datadir=data     # where the data dirs go
corpus=          # the folder LJSpeech-1.1; default: $LJSPEECH
textgrids=       # folder with <utterance>.TextGrid of an aligner: all sets get phones.ctm
# end options
. "${root}/utils/parse_options.sh"
corpus=${corpus:-${LJSPEECH:-}}
if [ -z "${corpus}" ]; then
    echo "error: say where LJSpeech is: --local_data_opts '--corpus DIR', or LJSPEECH=DIR" >&2
    exit 1
fi
python -m codec_ssl.bin.prepare_data ljspeech --corpus_dir "${corpus}" --out_dir "${datadir}"
if [ -n "${textgrids}" ]; then
    for set in train valid test; do
        python -m codec_ssl.bin.prepare_data phones --data_dir "${datadir}/ljspeech_${set}" --textgrids "${textgrids}"
    done
fi
