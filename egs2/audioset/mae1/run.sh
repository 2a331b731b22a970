#!/usr/bin/env bash
# EnCodecMAE (arXiv 2309.07391) on AudioSet, FMA-large and Libri-Light's 6k hours at 24 kHz, with EnCodec's 6 kbps.
#   bash run.sh --ngpu 2                                              second version, mel in, base
#   bash run.sh --ngpu 2 --expdir exp_v1 --train_config conf/train_v1_base.yaml       first version; v2_base: second version with latents in; _small, _large
#   bash run.sh --ngpu 2 --size audioset --expdir exp_as --datadir data_as --dumpdir dump_as    one corpus alone: audioset, fma or librilight
#   bash run.sh --ngpu 2 --expdir exp_large --train_config conf/train_v2_mel_large.yaml --teacher exp/selftrain
#                                                                     large models learn from the self-trained base model
# Any option of mae.sh may follow; --help lists them.
set -euo pipefail
cd "$(dirname "$0")"

# Utterances of an epoch are as many as crops of 4 s; k-means sees 10 000 frames of 10 000 recordings, as the authors' does.
bash ./mae.sh --codec encodec_24k --nj 16 --train_config conf/train_v2_mel_base.yaml "$@"
