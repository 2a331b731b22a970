#!/usr/bin/env bash
# LibriSpeech as data dirs: --corpus DIR names the folder that holds LibriSpeech/ (default: $LIBRISPEECH).
set -euo pipefail
. ./path.sh
# options
datadir=data     # where the data dirs go
corpus=          # folder that holds (or, with --download, will hold) LibriSpeech/; default: $LIBRISPEECH
download=false   # true: let lhotse download the corpus (60 GB)
# end options
. "${root}/utils/parse_options.sh"
corpus=${corpus:-${LIBRISPEECH:-}}
if [ -z "${corpus}" ]; then
    echo "error: say where LibriSpeech is: --local_data_opts '--corpus DIR', or LIBRISPEECH=DIR" >&2
    exit 1
fi
python -m codec_ssl.bin.prepare_data librispeech --corpus_dir "${corpus}" --out_dir "${datadir}" --download "${download}"
