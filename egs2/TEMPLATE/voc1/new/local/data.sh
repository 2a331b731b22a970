#!/usr/bin/env bash
# @corpus@ as data dirs train, valid and test: --audio_dir DIR is any folder of audio, --manifest its table.

# shellcheck disable=SC2034  # size: every reader is told it
set -euo pipefail
. ./path.sh
# options
datadir=data    # where the data dirs go
size=           # the run's --size, for a corpus that comes in several; this one does not
audio_dir=      # the corpus's folder; default: the environment's AUDIO_DIR
manifest=       # tab-separated table: utt_id, path, and where known speaker, text and any label
# end options
. "${root}/utils/parse_options.sh"
audio_dir=${audio_dir:-${AUDIO_DIR:-}}
if [ -z "${audio_dir}" ]; then
    echo "error: say where the audio is: --audio_dir DIR, or AUDIO_DIR=DIR, or in ${PWD}/local/data.sh" >&2
    exit 1
fi
python -m codec_ssl.bin.prepare_data folder --audio_dir "${audio_dir}" --out_dir "${datadir}" ${manifest:+--manifest "${manifest}"}
