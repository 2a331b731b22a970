#!/usr/bin/env bash
# ML-SUPERB, 143 languages: recognition and language identification on codec codes (Codec-ASR, arXiv 2407.03495).
#   bash run.sh --ngpu 1 --local_data_opts "--corpus DIR"            both at once, 10 minutes of each corpus and language
#   bash run.sh --ngpu 1 --duration 1h ...                           an hour of each
#   bash run.sh --ngpu 1 --task asr ...                              asr: no languages; lid: nothing but languages
#   bash run.sh --ngpu 1 --task mono --setting eng1 ...              one of the monolingual track's 13 settings
#   bash run.sh --ngpu 1 --input audio ...                           log-mel frames in place of codes, the same encoder
# Data, dump and experiments are in folders by duration and task. Any option of asr.sh may follow; --help lists them.
set -euo pipefail
cd "$(dirname "$0")"

task=joint duration=10min setting=eng1 local_data_opts="" score_args="" options=()
while [ $# -gt 0 ]; do
    case $1 in
        --task|--duration|--setting|--local_data_opts|--score_args) printf -v "${1#--}" '%s' "${2:-}"; shift $(($# > 1 ? 2 : 1)) ;;
        --task=*|--duration=*|--setting=*|--local_data_opts=*|--score_args=*) name=${1%%=*}; printf -v "${name#--}" '%s' "${1#*=}"; shift ;;
        *) options+=("$1"); shift ;;
    esac
done
case ${duration} in 10min|1h) ;; *) echo "error: --duration is 10min or 1h, not '${duration}'" >&2; exit 1 ;; esac
data=${duration} scored="--task ${task} --duration ${duration}"
case ${task} in
    joint) options=(--lang_token true "${options[@]}") ;;
    lid) options=(--lang_only true "${options[@]}") ;;
    asr) ;;
    mono) data=${setting}_${duration} scored+=" --setting ${setting}" local_data_opts="--setting ${setting} ${local_data_opts}" ;;
    *) echo "error: --task is joint, asr, lid or mono, not '${task}'" >&2; exit 1 ;;
esac
# What cannot be used is left out and counted: letters that only few-shot languages have in validation, speech of fewer frames than letters.
bash ./asr.sh --nj 8 --codec dac_16k --datadir "data/${data}" --dumpdir "dump/${data}" --expdir "exp/${data}_${task}" \
    --local_data_opts "--duration ${duration} ${local_data_opts}" --text_args "--unicode none" \
    --unknown_symbols unk --unfit skip --train_set "train_${duration}" --valid_set dev_10min --test_sets test_10min \
    --scoring ml_superb --score_args "${scored} ${score_args}" "${options[@]}"
