#!/usr/bin/env bash
# The main job at mini scale: codec, tokens, three kinds of targets, probes, report; minutes on a CPU.
#   bash run.sh                             the embedded corpus (synthetic speech, made on the spot)
#   bash run.sh --size ci                   its smallest variant
#   bash run.sh --audio_dir DIR [--manifest TSV]   your own recordings
# Any option of ssl.sh may follow; --help lists them.
set -euo pipefail
cd "$(dirname "$0")"

bash ./ssl.sh --size small --rounds 1 --online true --kmeans_clusters 100 --kmeans_layer 2 \
    --probe_tasks phone,speaker,keyword "$@"
