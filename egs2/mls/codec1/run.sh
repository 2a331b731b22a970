#!/usr/bin/env bash
# The study's codecs (arXiv 2601.12205) trained on English, or on all eight languages of MLS; ../../audioset/codec1 adds AudioSet.
#   bash run.sh --ngpu 4                          English
#   bash run.sh multilingual --ngpu 4             eight languages; same config and steps
#   bash run.sh multilingual --local_data_opts "--hours 800"   that many hours in all, as many of each language
#   bash run.sh --train_config conf/train_soundstream_base.yaml --tag soundstream_base
#   bash run.sh evaluation --codec soundstream_16k   no training: the authors' codec (also soundstream_16k_multilingual, _multilingual_audio)
# Any option of codec.sh may follow; --help lists them.
set -euo pipefail
cd "$(dirname "$0")"

coverage=english
case ${1:-} in english | multilingual | evaluation) coverage=$1; shift ;; esac
trained=(--tag "soundstream_${coverage}" --num_codebooks 8)
if [ "${coverage}" = evaluation ]; then
    trained=()
    [[ " $* " =~ \ (--codec[\ =]|--help\ |-h\ ) ]] || { echo "error: evaluation trains nothing: say --codec NAME, such as soundstream_16k" >&2; exit 1; }
fi
bash ./codec.sh --size "${coverage}" --datadir "data/${coverage}" --dumpdir "dump/${coverage}" --expdir "exp/${coverage}" --nj 8 \
    "${trained[@]}" --eval_sets "ljspeech_test css10_german_test css10_spanish_test audioset_eval" "$@"
