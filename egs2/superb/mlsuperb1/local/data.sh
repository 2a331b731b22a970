#!/usr/bin/env bash
# ML-SUPERB as data dirs train_<duration>, dev_10min and test_10min: --corpus DIR has fleurs, commonvoice, ... in it (default: $MLSUPERB).

# shellcheck disable=SC2034  # size: every reader is told it
set -euo pipefail
. ./path.sh
# options
datadir=data     # where the data dirs go
size=            # the run's --size; this corpus's is told by duration
corpus=          # the folder with the corpora in it, each with its languages; default: $MLSUPERB
duration=10min   # training data of each corpus and language: 10min or 1h
setting=         # one of the monolingual track, such as eng1: a corpus and a language
corpora=         # only these, such as fleurs,mls
languages=       # only these, such as eng,deu
# end options
. "${root}/utils/parse_options.sh"
corpus=${corpus:-${MLSUPERB:-}}
if [ -z "${corpus}" ]; then
    echo "error: say where ML-SUPERB is: --local_data_opts '--corpus DIR', or MLSUPERB=DIR" >&2
    exit 1
fi
# shellcheck disable=SC2086  # corpora and languages are lists, with commas
python -m codec_ssl.bin.prepare_data ml_superb --corpus_dir "${corpus}" --out_dir "${datadir}" --duration "${duration}" \
    ${setting:+--setting "${setting}"} ${corpora:+--corpora ${corpora//,/ }} ${languages:+--languages ${languages//,/ }}
