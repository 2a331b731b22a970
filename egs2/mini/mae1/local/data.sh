#!/usr/bin/env bash
# Makes the embedded corpus: --datadir DIR --size ci|small|full
set -euo pipefail
. ./path.sh
# options
datadir=data  # where the data dirs go
size=small    # ci, small or full
# end options
. "${root}/utils/parse_options.sh"
python -m codec_ssl.bin.prepare_data mini --out_dir "${datadir}" --size "${size}"
