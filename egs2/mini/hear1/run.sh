#!/usr/bin/env bash
# HEAR's protocol at mini scale: an EnCodecMAE of ../mae1 and its references on rendered notes, sound events and scenes, and on synthetic speech.
#   bash run.sh                             trains the EnCodecMAE first
#   bash run.sh --size ci                   the smallest variant
#   bash run.sh --encoders before=EXP,after=EXP --codec CODEC   on experiments that are there
#   bash run.sh --encoders ... --local_data_opts "--recordings DIR" --tasks "esc10 digits emotions wakewords notes_pitch notes_instrument"
#                                           on a folder of recordings with a manifest, see local/data.sh
#   bash run.sh --audio_dir DIR --manifest TSV --tasks label=COLUMN   any labels of your own recordings
# Any option of hear.sh may follow; --help lists them.
set -euo pipefail
cd "$(dirname "$0")"

# A part of HEAR's grid, narrower networks and fewer epochs: sets of this size need no more.
bash ./hear.sh --size small --tasks "notes_pitch notes_instrument events scenes keywords speakers" \
    --evaluate_args "--hidden_dim 256 --lr 3.2e-3 1e-3 --grid_points 4 --max_epochs 150 --patience 10" "$@"
