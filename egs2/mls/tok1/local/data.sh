#!/usr/bin/env bash
# LibriSpeech 100 h, and MLS French and Spanish 100 h each, as data dirs: <corpus>_<part>, and train and valid of all three.
set -euo pipefail
. ./path.sh
# options
datadir=data     # where the data dirs go
librispeech=     # the folder LibriSpeech; default: $LIBRISPEECH
mls=             # the folder with mls_french and mls_spanish, FLAC or Opus; default: $MLS
hours=100        # of each MLS language, drawn at random
# end options
. "${root}/utils/parse_options.sh"
librispeech=${librispeech:-${LIBRISPEECH:-}} mls=${mls:-${MLS:-}}
if [ -z "${librispeech}" ] || [ -z "${mls}" ]; then
    echo "error: say where the corpora are: --local_data_opts '--librispeech DIR --mls DIR', or LIBRISPEECH=DIR MLS=DIR" >&2
    exit 1
fi
prepare() { python -m codec_ssl.bin.prepare_data "$@"; }
combine() { python -m codec_ssl.bin.data_dir combine "$@"; }
prepare librispeech --corpus_dir "${librispeech}" --out_dir "${datadir}/librispeech" --parts train-clean-100 dev-clean test-clean
combine "${datadir}/librispeech_train" "${datadir}/librispeech/train-clean-100"
combine "${datadir}/librispeech_dev_clean" "${datadir}/librispeech/dev-clean"
combine "${datadir}/librispeech_test_clean" "${datadir}/librispeech/test-clean"
hours=$(printf '%g' "${hours}")  # as the data dirs are named
prepare mls --corpus_dir "${mls}" --out_dir "${datadir}/mls" --languages french spanish --hours "${hours}"
for language in french spanish; do
    combine "${datadir}/${language}_train" "${datadir}/mls/${language}_train_${hours}h"
    for part in dev test; do combine "${datadir}/${language}_${part}" "${datadir}/mls/${language}_${part}"; done
done
combine "${datadir}/train" "${datadir}"/{librispeech,french,spanish}_train
combine "${datadir}/valid" "${datadir}"/{librispeech_dev_clean,french_dev,spanish_dev}
