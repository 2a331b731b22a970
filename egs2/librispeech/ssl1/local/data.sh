#!/usr/bin/env bash
# LibriSpeech as data dirs: --corpus DIR names its folder (default: $LIBRISPEECH).
set -euo pipefail
. ./path.sh
# options
datadir=data     # where the data dirs go
corpus=          # the folder LibriSpeech (or, with --download, where to put it); default: $LIBRISPEECH
download=false   # true: let lhotse download the corpus (60 GB)
textgrids=       # folder with <utterance>.TextGrid of an aligner: the sets below get phones.ctm
phone_sets="dev-clean dev-other test-clean test-other"  # ... and which sets
# end options
. "${root}/utils/parse_options.sh"
corpus=${corpus:-${LIBRISPEECH:-}}
if [ -z "${corpus}" ]; then
    echo "error: say where LibriSpeech is: --local_data_opts '--corpus DIR', or LIBRISPEECH=DIR" >&2
    exit 1
fi
parts="train-clean-100 train-clean-360 train-other-500 dev-clean dev-other test-clean test-other"
options=(--corpus_dir "${corpus}" --out_dir "${datadir}")
if [ "${download}" = true ]; then options+=(--download); fi
# shellcheck disable=SC2086  # parts is a list
python -m codec_ssl.bin.prepare_data librispeech "${options[@]}" --parts ${parts}
if [ -n "${textgrids}" ]; then
    for set in ${phone_sets}; do
        python -m codec_ssl.bin.prepare_data phones --data_dir "${datadir}/${set}" --textgrids "${textgrids}"
    done
fi
