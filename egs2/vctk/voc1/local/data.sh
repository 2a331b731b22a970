#!/usr/bin/env bash
# VCTK as data dirs vctk_{train,valid,test}: --corpus DIR names the folder VCTK-Corpus-0.92 (default: $VCTK).
set -euo pipefail
. ./path.sh
# options
datadir=data     # where the data dirs go
corpus=          # the folder VCTK-Corpus-0.92; default: $VCTK
lists=           # folder with the published val.txt and test.txt: datasets/VCTK/hubert100 of facebookresearch/speech-resynthesis
fractions=0.9,0.05,0.05  # without these: shares of train, valid and test that are drawn, about those of the lists
seed=0           # of what is drawn
without=s5      # speakers to leave out; s5 is in none of the published lists
# end options
. "${root}/utils/parse_options.sh"
corpus=${corpus:-${VCTK:-}}
if [ -z "${corpus}" ]; then
    echo "error: say where VCTK is: --local_data_opts '--corpus DIR', or VCTK=DIR" >&2
    exit 1
fi
sets=(--fractions "${fractions}" --seed "${seed}")
if [ -n "${lists}" ]; then sets=(--lists "${lists}"); fi
# shellcheck disable=SC2086  # without is a list of speakers
python -m codec_ssl.bin.prepare_data vctk --corpus_dir "${corpus}" --out_dir "${datadir}" "${sets[@]}" ${without:+--without ${without}}
