#!/usr/bin/env bash
# SUPERB, all ten tasks: Codec2Vec (arXiv 2511.16639, Table I), its references and any other frozen encoder.
#   export LIBRISPEECH=DIR LEXICON=FILE SPEECH_COMMANDS=DIR QUESST14=DIR VOXCELEB1=DIR LIBRIMIX=DIR IEMOCAP=DIR FLUENT=DIR AUDIO_SNIPS=DIR
#   bash run.sh --ngpu 1 --nj 8                                      the models that ../../librispeech/ssl1 trained, all tasks and rates
#   bash run.sh --ngpu 1 --tasks "ks ic" --encoders hubert=hubert_base   some of the tasks: only their corpora are needed
#   bash run.sh --ngpu 1 --lrs "1e-4"                                one learning rate, where the best one is known
# Any option of superb.sh may follow; --help lists them.
set -euo pipefail
cd "$(dirname "$0")"

ssl=../../librispeech/ssl1/exp
bash ./superb.sh --codec dac_16k --encoders "reconstruction=${ssl}/r0_reconstruction,iterative=${ssl}/r2_cluster,online=${ssl}/online" "$@"
