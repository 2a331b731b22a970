#!/usr/bin/env bash
# Codec-token synthesis at mini scale: FastSpeech2 on the tokens of a small codec that is trained here first; minutes on a CPU.
#   bash run.sh                             the embedded corpus (synthetic speech, made on the spot, with exact phones)
#   bash run.sh --size ci                   its smallest variant
#   bash run.sh --codec DIR                 any codec: a name of conf/codecs, a checkpoint, an experiment directory
#   bash run.sh --systems codes,mel,copy,mel_copy   with mel spectra and Griffin-Lim beside it
#   bash run.sh --audio_dir DIR --manifest TSV --align en   your own transcribed recordings
# Any option of tts.sh may follow; --help lists them.
set -euo pipefail
cd "$(dirname "$0")"

# One job: starting several takes longer here than the work. The lowest voices lie below ESPnet's 80 Hz, and rare phones of eight
# languages may be missing from so little training.
bash ./tts.sh --size small --nj 1 --phones_args "--f0_min 50" --unknown_symbols skip "$@"
