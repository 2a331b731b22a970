#!/usr/bin/env bash
# Data of one coverage as data dirs train and valid, and the study's evaluation sets: ljspeech_test, css10_{german,spanish}_test, audioset_eval.
# Coverages differ in nothing but the corpora: english (MLS English), multilingual (MLS, eight languages), multilingual_audio (and AudioSet);
# evaluation makes the evaluation sets alone.
set -euo pipefail
. ./path.sh
# options
datadir=data     # where the data dirs go
size=english     # the coverage: english, multilingual, multilingual_audio or evaluation
mls=             # the folder with mls_english, ..., FLAC or Opus; default: $MLS
audioset=        # the folder with AudioSet's tables and clips; default: $AUDIOSET
ljspeech=        # the folder LJSpeech-1.1; default: $LJSPEECH
css10=           # the folder with CSS10's german and spanish; default: $CSS10
hours=           # hours to train on in all, as many of each corpus and language, drawn at random (default: everything)
seed=0           # of what is drawn
# end options
. "${root}/utils/parse_options.sh"
mls=${mls:-${MLS:-}} audioset=${audioset:-${AUDIOSET:-}} ljspeech=${ljspeech:-${LJSPEECH:-}} css10=${css10:-${CSS10:-}}
die() { echo "error: $*" >&2; exit 1; }
prepare() { python -m codec_ssl.bin.prepare_data "$@"; }
data_dir() { python -m codec_ssl.bin.data_dir "$@"; }
case ${size} in
    english) languages=(english) ;;
    multilingual | multilingual_audio) languages=(english german dutch french spanish italian portuguese polish) ;;
    evaluation) languages=() ;;
    *) die "--size ${size}: the coverages are english, multilingual, multilingual_audio and evaluation" ;;
esac
[ -n "${mls}" ] || [ "${size}" = evaluation ] || die "say where MLS is: --local_data_opts '--mls DIR', or MLS=DIR"
[ "${size}" != multilingual_audio ] || [ -n "${audioset}" ] || die "say where AudioSet is: --local_data_opts '--audioset DIR', or AUDIOSET=DIR"

corpora=${#languages[@]}
if [ "${size}" = multilingual_audio ]; then corpora=$((corpora + 1)); fi
share=$([ -z "${hours}" ] || [ "${size}" = evaluation ] || awk -v hours="${hours}" -v corpora="${corpora}" 'BEGIN { printf "%g", hours / corpora }')
train=() valid=()
if [ "${size}" != evaluation ]; then
    prepare mls --corpus_dir "${mls}" --out_dir "${datadir}/mls" --languages "${languages[@]}" --parts train dev ${share:+--hours "${share}" --seed "${seed}"}
fi
for language in "${languages[@]}"; do
    train+=("${datadir}/mls/${language}_train${share:+_${share}h}")
    valid+=("${datadir}/mls/${language}_dev")
done

if [ "${size}" = multilingual_audio ]; then
    prepare audioset --corpus_dir "${audioset}" --out_dir "${datadir}/audioset"
    parts=()  # AudioSet has no set for validation: about 500 clips of its training sets become one
    for part in "${datadir}"/audioset/{balanced,unbalanced}_train; do if [ -d "${part}" ]; then parts+=("${part}"); fi; done
    [ "${#parts[@]}" -gt 0 ] || die "${audioset}: AudioSet's balanced_train_segments.csv or unbalanced_train_segments.csv is needed for training"
    all=${datadir}/audioset/all_train
    data_dir combine "${all}" "${parts[@]}"
    every=$(($(wc -l <"${all}/utt2spk") / 500))
    awk -v every="$((every > 10 ? every : 10))" 'NR % every == 1 { print $1 }' "${all}/utt2spk" >"${all}/valid.list"
    awk 'NR == FNR { valid[$1]; next } !($1 in valid) { print $1 }' "${all}/valid.list" "${all}/utt2spk" >"${all}/train.list"
    data_dir subset --utt-list "${all}/valid.list" "${all}" "${datadir}/audioset/valid"
    data_dir subset --utt-list "${all}/train.list" "${all}" "${datadir}/audioset/train"
    if [ -n "${share}" ]; then data_dir subset --hours "${share}" --seed "${seed}" "${datadir}/audioset/train" "${datadir}/audioset/train_${share}h"; fi
    train+=("${datadir}/audioset/train${share:+_${share}h}")
    valid+=("${datadir}/audioset/valid")
elif [ -n "${audioset}" ]; then
    prepare audioset --corpus_dir "${audioset}" --out_dir "${datadir}/audioset" --parts eval
fi
if [ "${size}" != evaluation ]; then
    data_dir combine "${datadir}/train" "${train[@]}"
    data_dir combine "${datadir}/valid" "${valid[@]}"
fi

left_out() { echo "note: no ${2}, since ${1} was not given: leave it out of --eval_sets" >&2; }
if [ -n "${ljspeech}" ]; then prepare ljspeech --corpus_dir "${ljspeech}" --out_dir "${datadir}"; else left_out LJSPEECH ljspeech_test; fi
if [ -n "${css10}" ]; then prepare css10 --corpus_dir "${css10}" --out_dir "${datadir}" --languages german spanish; else left_out CSS10 css10_german_test; fi
if [ -d "${datadir}/audioset/eval" ]; then data_dir combine "${datadir}/audioset_eval" "${datadir}/audioset/eval"; else left_out AUDIOSET audioset_eval; fi
