#!/usr/bin/env bash
# A SoundStream at mini scale: training, codes, audio decoded from them, scores, report; on a CPU.
#   bash run.sh                             the embedded corpus (synthetic speech, made on the spot)
#   bash run.sh --size ci                   its smallest variant
#   bash run.sh --audio_dir DIR [--manifest TSV]   your own recordings
#   bash run.sh --train_config conf/train_nac_td_fsq.yaml   a codec of Codec-ASR; also td_rvq, mel_rvq, mel_fsq
#   bash local/study.sh --audio_dir DIR --manifest TSV   the same codec on three kinds of data
# Any option of codec.sh may follow; --help lists them.
set -euo pipefail
cd "$(dirname "$0")"

bash ./codec.sh --size small "$@"
