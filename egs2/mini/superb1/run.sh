#!/usr/bin/env bash
# SUPERB at mini scale: Codec2Vecs of ../ssl1 and their references on the embedded corpus, or on recordings.
#   bash run.sh                             trains the Codec2Vecs first
#   bash run.sh --size ci                   the smallest variant
#   bash run.sh --encoders NAME=EXP,... --codec CODEC   on experiments that are there
#   bash run.sh --encoders ... --codec CODEC --local_data_opts "--recordings DIR" --tasks "ks sid sv er ic sf asr pr"
#                                           on a folder of recordings with a manifest, see local/data.sh
#   bash run.sh --audio_dir DIR --manifest TSV --tasks "ks sid"   labels of your own recordings
# Any option of superb.sh may follow; --help lists them.
set -euo pipefail
cd "$(dirname "$0")"

bash ./superb.sh --size small --ssl_recipe ../ssl1/run.sh \
    --ssl_exps "reconstruction=r0_reconstruction,clustering=r1_cluster,online=online" --tasks "ks sid pr asr sv sd qbe" --lrs "1e-2 1e-3 1e-4" "$@"
