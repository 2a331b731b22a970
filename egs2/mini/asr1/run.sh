#!/usr/bin/env bash
# Codec-ASR at mini scale: a small Conformer with CTC on the codes of a small codec that is trained here first; minutes on a CPU.
#   bash run.sh                             the embedded corpus (synthetic speech, made on the spot)
#   bash run.sh --size ci                   its smallest variant
#   bash run.sh --codec CODEC               any codec: a name of conf/codecs, a checkpoint, an experiment directory
#   bash run.sh --input audio               log-mel frames in place of codes: the same encoder, the same batches
#   bash run.sh --asr_train_config conf/tuning/train_codec_asr_random.yaml   an ablation: see conf/tuning
#   bash run.sh --audio_dir DIR --manifest TSV   your own transcribed recordings
# Any option of asr.sh may follow; --help lists them.
set -euo pipefail
cd "$(dirname "$0")"

# One job: starting several takes longer here than the work. Rare letters of eight languages may be missing from so little training,
# and a hasty word may have fewer frames than letters.
bash ./asr.sh --size small --nj 1 --text_args "--case lower" --unknown_symbols unk --unfit skip "$@"
