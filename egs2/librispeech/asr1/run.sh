#!/usr/bin/env bash
# Codec-ASR on LibriSpeech 960 h: FastConformer transducer on codes (arXiv 2407.03495).
#   bash run.sh --ngpu 8                                    codes of TD-NAC with RVQ
#   bash run.sh --ngpu 8 --codec nac_mel_fsq_16k            any codec: a name of conf/codecs, a checkpoint, an experiment directory
#   bash run.sh --ngpu 8 --input audio                      log-mel frames: the baseline
#   bash run.sh --ngpu 8 --asr_train_config conf/tuning/train_codec_asr_ctc.yaml   other encoders, losses, embeddings
#   bash run.sh --ngpu 8 --noises DIR                       and under noise: the data dir of noise clips
# Any option of asr.sh may follow; --help lists them.
set -euo pipefail
cd "$(dirname "$0")"

bash ./asr.sh --codec nac_td_rvq_16k --nj 16 --train_set train-960 --valid_set dev-clean \
    --test_sets "dev-clean dev-other test-clean test-other" --token_type bpe --nbpe 1024 --text_args "--case lower" --unfit skip "$@"
