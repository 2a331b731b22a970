#!/usr/bin/env bash
# The codecs of Codec-ASR (arXiv 2407.03495): time-domain or mel encoder, RVQ or FSQ; 16 kHz, 80 frames a second, 8 codes a frame.
#   bash run.sh td_rvq --ngpu 8              also td_fsq, mel_rvq, mel_fsq; on LibriSpeech 960 h
#   bash run.sh mel_fsq librilight --ngpu 8  on Libri-Light, as in the paper
# Any option of codec.sh may follow; --help lists them.
set -euo pipefail
cd "$(dirname "$0")"

codec=td_rvq
case ${1:-} in td_rvq | td_fsq | mel_rvq | mel_fsq) codec=$1; shift ;; esac
corpus=(--train_set train-960)
if [ "${1:-}" = librilight ]; then
    shift
    corpus=(--train_set librilight --size librilight --datadir data/librilight --dumpdir dump/librilight --expdir exp/librilight)
fi
bash ./codec.sh --train_config "conf/train_nac_${codec}.yaml" --nj 8 "${corpus[@]}" --valid_set dev-clean --eval_sets "test-clean test-other" "$@"
