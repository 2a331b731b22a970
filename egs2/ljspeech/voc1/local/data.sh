#!/usr/bin/env bash
# LJSpeech as data dirs ljspeech_{train,valid,test}: --corpus DIR names the folder LJSpeech-1.1 (default: $LJSPEECH).
set -euo pipefail
. ./path.sh
# options
datadir=data     # where the data dirs go
corpus=          # the folder LJSpeech-1.1; default: $LJSPEECH
lists=           # folder with the published val.txt and test.txt: datasets/LJSpeech/hubert100 of facebookresearch/speech-resynthesis
fractions=0.85,0.1,0.05  # without these: shares of train, valid and test that are drawn, about those of the lists
seed=0           # of what is drawn
# end options
. "${root}/utils/parse_options.sh"
corpus=${corpus:-${LJSPEECH:-}}
if [ -z "${corpus}" ]; then
    echo "error: say where LJSpeech is: --local_data_opts '--corpus DIR', or LJSPEECH=DIR" >&2
    exit 1
fi
sets=(--fractions "${fractions}" --seed "${seed}")
if [ -n "${lists}" ]; then sets=(--lists "${lists}"); fi
python -m codec_ssl.bin.prepare_data ljspeech --corpus_dir "${corpus}" --out_dir "${datadir}" "${sets[@]}"
