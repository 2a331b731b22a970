#!/usr/bin/env bash
# Data dirs DIR/<task>/<set> of SUPERB's tasks: ks sid sv asr pr sd qbe of the embedded corpus, or with --recordings ks sid sv er ic sf
# asr pr of a folder of recordings whose manifest.tsv has wakewords, fsdd, librispeech, emodb_2s and barista_intent.
set -euo pipefail
. ./path.sh
# options
datadir=data    # where the data dirs go
size=small      # ci, small or full, of the embedded corpus
tasks=          # only these, such as "ks sid"; default: all
recordings=     # a folder with manifest.tsv, in place of the embedded corpus
lexicon=        # of the recordings' words, with their phones; default: espeak-ng spells them
# end options
. "${root}/utils/parse_options.sh"
tasks=${tasks//,/ }
prepare() { python -m codec_ssl.bin.prepare_data "$@"; }
if [ -z "${recordings}" ]; then
    prepare mini --out_dir "${datadir}/corpus" --size "${size}"
    # shellcheck disable=SC2086  # tasks is a list
    prepare superb_mini --corpus_dir "${datadir}/corpus" --out_dir "${datadir}" ${tasks:+--tasks ${tasks}}
    exit 0
fi
# shellcheck disable=SC2086  # tasks is a list
prepare superb_recordings --recordings "${recordings}" --out_dir "${datadir}" ${tasks:+--tasks ${tasks}}
if [ -z "${tasks}" ] || [[ " ${tasks} " == *" pr "* ]]; then
    prepare spell --data_dirs "${datadir}/pr/train" "${datadir}/pr/valid" "${datadir}/pr/test" ${lexicon:+--lexicon "${lexicon}"}
fi
