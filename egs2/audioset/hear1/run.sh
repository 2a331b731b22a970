#!/usr/bin/env bash
# The six HEAR tasks of EnCodecMAE (arXiv 2309.07391) for the models of ../mae1, with their references.
#   export NSYNTH=DIR SPEECH_COMMANDS=DIR CREMA_D=DIR FSD50K=DIR ESC50=DIR GTZAN=DIR
#   bash run.sh --ngpu 1
#   bash run.sh --ngpu 1 --encoders base=../mae1/exp/pretrain,hubert=hubert_base --tasks "esc50 gtzan"
# Any option of hear.sh may follow; --help lists them.
set -euo pipefail
cd "$(dirname "$0")"

bash ./hear.sh --tasks "nsynth_pitch speech_commands crema_d fsd50k esc50 gtzan" --codec encodec_24k \
    --encoders pretrained=../mae1/exp/pretrain,self-trained=../mae1/exp/selftrain "$@"
