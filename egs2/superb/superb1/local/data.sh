#!/usr/bin/env bash
# Data dirs DIR/<task>/<set> of SUPERB's tasks, each of the corpus that is given: by an option, or by the environment's variable of that
# name in capitals.
set -euo pipefail
. ./path.sh
# options
datadir=data        # where the data dirs go
size=               # none: these corpora come in one
tasks="pr asr ks qbe sid sv sd er ic sf"  # only these; parted by blanks or commas
librispeech=        # pr, asr: the folder LibriSpeech with train-clean-100, dev-clean and test-clean
lexicon=            # pr: words and their phones, as those that SUPERB names: librispeech-lexicon-200k-g2p.txt and -allothers-g2p.txt in one
speech_commands=    # ks: the folder with speech_commands_v0.01 and speech_commands_test_set_v0.01
quesst14=           # qbe: the folder quesst14Database
voxceleb1=          # sid, sv: the folder with dev/wav, test/wav, iden_split.txt and, for sv, veri_test2.txt
librimix=           # sd: the folder with train, dev and test, as prepare_diarization.py of s3prl's LibriMix leaves it
librimix_audio=     # sd: where the mixtures are, if they were moved: the folder with max/dev/mix_both/...
iemocap=            # er: the folder with Session1 to Session5
fluent=             # ic: the folder fluent_speech_commands_dataset
audio_snips=        # sf: the folder with all.iob.snips.txt, train, valid and test
num_jobs=8          # audio files opened at a time, of LibriSpeech
# end options
. "${root}/utils/parse_options.sh"
if [ -n "${size}" ]; then
    echo "error: --size ${size}: there are no smaller variants of these corpora; expected none" >&2
    exit 1
fi
librispeech=${librispeech:-${LIBRISPEECH:-}} lexicon=${lexicon:-${LEXICON:-}} speech_commands=${speech_commands:-${SPEECH_COMMANDS:-}}
quesst14=${quesst14:-${QUESST14:-}} voxceleb1=${voxceleb1:-${VOXCELEB1:-}} librimix=${librimix:-${LIBRIMIX:-}}
iemocap=${iemocap:-${IEMOCAP:-}} fluent=${fluent:-${FLUENT:-}} audio_snips=${audio_snips:-${AUDIO_SNIPS:-}}
librimix_audio=${librimix_audio:-${LIBRIMIX_AUDIO:-}}

prepare() { python -m codec_ssl.bin.prepare_data "$@"; }
# corpus_of TASK: the name of its option
corpus_of() {
    case $1 in
        pr | asr) echo librispeech ;;
        ks) echo speech_commands ;;
        qbe) echo quesst14 ;;
        sid | sv) echo voxceleb1 ;;
        sd) echo librimix ;;
        er) echo iemocap ;;
        ic) echo fluent ;;
        sf) echo audio_snips ;;
        *) echo "error: --tasks: expected pr asr ks qbe sid sv sd er ic sf, found '$1'" >&2; exit 1 ;;
    esac
}
missing=()
for task in ${tasks//,/ }; do
    corpus=$(corpus_of "${task}")
    if [ -z "${!corpus}" ]; then missing+=("${task}: ${corpus^^}=DIR"); fi
    if [ "${task}" = pr ] && [ -z "${lexicon}" ]; then missing+=("pr: LEXICON=FILE"); fi
done
if [ "${#missing[@]}" -gt 0 ]; then
    printf -v listed '; %s' "${missing[@]}"
    echo "error: say where the corpora are, or leave their tasks out of --tasks: ${listed#; }" >&2
    exit 1
fi

# books TASK: LibriSpeech's three parts as a task's sets
books() {
    local part set
    if [ ! -f "${datadir}/librispeech/test-clean/wav.scp" ]; then
        prepare librispeech --corpus_dir "${librispeech}" --out_dir "${datadir}/librispeech" --parts train-clean-100 dev-clean test-clean --num_jobs "${num_jobs}"
    fi
    for part in train-clean-100 dev-clean test-clean; do
        case ${part} in train*) set=train ;; dev*) set=valid ;; *) set="test" ;; esac
        python -m codec_ssl.bin.data_dir combine "${datadir}/$1/${set}" "${datadir}/librispeech/${part}"
    done
}
rm -rf "${datadir}/librispeech"  # of another corpus, perhaps
for task in ${tasks//,/ }; do
    out=${datadir}/${task}
    case ${task} in
        asr) books asr ;;
        pr)
            books pr
            prepare spell --data_dirs "${out}/train" "${out}/valid" "${out}/test" --lexicon "${lexicon}" ;;
        ks) prepare speech_commands --corpus_dir "${speech_commands}" --out_dir "${out}" --version 0.01 ;;
        qbe) prepare quesst14 --corpus_dir "${quesst14}" --out_dir "${out}" ;;
        sid | sv) prepare "voxceleb1_${task}" --corpus_dir "${voxceleb1}" --out_dir "${out}" ;;
        sd) prepare librimix --corpus_dir "${librimix}" --out_dir "${out}" ${librimix_audio:+--audio_dir "${librimix_audio}"} ;;
        er) prepare iemocap --corpus_dir "${iemocap}" --out_dir "${out}" ;;
        ic) prepare fluent --corpus_dir "${fluent}" --out_dir "${out}" ;;
        sf) prepare audio_snips --corpus_dir "${audio_snips}" --out_dir "${out}" ;;
    esac
done
