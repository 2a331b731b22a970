#!/usr/bin/env bash
# ASR on codec codes with ESPnet's ASR task (Codec-ASR, arXiv 2407.03495), or on log-mel frames with the same model.
# Called by egs2/<corpus>/asr1/run.sh, which sets the options below; see README.md beside this file.
#
# Stages: 1 data, 2 noise, 3 codec (only where none is given), 4 codes, 5 text, 6 vocabulary, 7 train, 8 decode, 9 score, 10 report
set -euo pipefail
cd "$(dirname "$0")"
. ./path.sh
. ./cmd.sh

# options
stage=1              # first stage, by number or name
stop_stage=10        # last stage, by number or name
nj=2                 # parallel jobs of codes and decoding
ngpu=0               # GPUs of one training (0: CPU); several are used through torch.distributed
num_nodes=1          # nodes of one training (more than 1 needs CMD_BACKEND=slurm)
datadir=data         # data dirs with text; utt2lang where there are several languages
dumpdir=dump         # noisy sets, codes, transcripts, vocabularies
expdir=exp           # trained models, hypotheses, scores, report
dry_run=false        # true: print the plan and run nothing
size=                # variant of the recipe: configs of conf/<size>, and --size for local/data.sh
audio_dir=           # a folder of audio to use in place of the recipe's corpus
manifest=            # its table (tab separated: utt_id, path, speaker, text, any label)
audio_opts=          # more options for prepare_data folder, e.g. "--where corpus=fsdd --unseen fsdd-theo"
local_data_opts=     # more options for local/data.sh
train_set=train      # data dirs to train on; several are put together
valid_set=valid      # data dir for validation
test_sets="test"     # data dirs to transcribe and score, each by itself
max_bad_rate=0.01    # largest share of unusable audio files before a stage fails
# Speech
input=codes          # codes: of a codec; audio: log-mel frames, made by the model as it reads audio
codec=               # codec name of conf/codecs, checkpoint or exp dir; empty: --codec_recipe trains one
codec_recipe=../ssl1/run.sh  # recipe whose stage codec trains one on the same data
codec_args=          # more options for that, as for ESPnet's trainer
sample_rate=16000    # rate at which --input audio is read
# Text
token_type=char      # char, bpe or word
nbpe=500             # pieces of bpe
text_args=           # more options of bin/asr_text.py, e.g. "--case lower --remove .,?!"
unusable_text=error  # skip: leave out utterances without a transcript or with an empty one
unknown_symbols=error  # unk: symbols of the validation set that the vocabulary lacks become <unk>
unfit=error          # skip: leave out utterances with fewer encoder frames than tokens, or over the config's max_seconds
lang_token=false     # true: [eng] before the transcript, of utt2lang (ISO 639 codes); languages are then recognised too
lang_only=false      # true: nothing but that token, to identify languages alone; needs --scoring ml_superb
# Noise
noises=              # data dir of noise clips: noisy copies of the test sets, and a robustness table
rooms=               # data dir of room responses, for the noisy copies and --train_noise
snrs="0 5 10 15 20"  # signal-to-noise ratios in dB of the copies
train_noise=         # "LOW HIGH" in dB: noisy copies of the training sets are trained on too
noise_seed=0         # of all mixtures
# Model
asr_train_config=    # training config (default: conf/train_codec_asr.yaml, conf/train_logmel_asr.yaml for audio)
train_args=          # more options for the training, as for ESPnet's trainer
tag=                 # name of the experiment (default: codec and config)
checkpoint=best      # best, latest or an epoch number
decode_args=         # more options of bin/codec_asr_decode.py, e.g. "--beam 20"
scoring=default      # default: WER and CER; ml_superb: CER and language identification by ML-SUPERB's rules
score_args=          # more options of bin/score_asr.py or bin/score_ml_superb.py, e.g. "--by lang,spk"
# end options
. "${root}/utils/parse_options.sh"
. "${root}/utils/stages.sh"
. "${root}/utils/data_stage.sh"
. "${root}/utils/launch.sh"

conf() {  # the variant's config where there is one
    if [ -n "${size}" ] && [ -f "conf/${size}/$1" ]; then echo "conf/${size}/$1"; else echo "conf/$1"; fi
}
case ${input} in codes|audio) ;; *) die "--input is codes or audio, not '${input}'" ;; esac
case ${scoring} in default|ml_superb) ;; *) die "--scoring is default or ml_superb, not '${scoring}'" ;; esac
if [ "${lang_only}" = true ]; then
    [ "${scoring}" = ml_superb ] || die "--lang_only true leaves no words to score: add --scoring ml_superb"
    lang_token=true
fi
if [ -n "${train_noise}" ] && [ -z "${noises}" ]; then die "--train_noise needs --noises DIR"; fi
[ "${input}" = codes ] && model=codec || model=logmel
asr_train_config=${asr_train_config:-$(conf "train_${model}_asr.yaml")}
[ -f "${asr_train_config}" ] || die "no training config ${asr_train_config}"
align=""  # phones are not needed here
read -r -a trains <<<"${train_set}"
sets=$(unique_words "${train_set} ${valid_set} ${test_sets}")
recipe=${PWD#"${root}/"}
device=$([ "${ngpu}" -gt 0 ] && echo cuda || echo cpu)
job_gpu=$([ "${ngpu}" -gt 0 ] && echo 1 || echo 0)  # of one job of codes or decoding

stages_begin "1 data" "2 noise" "3 codec" "4 codes" "5 text" "6 vocabulary" "7 train" "8 decode" "9 score" "10 report"
# shellcheck disable=SC2086  # sets is a list
data_stage 1 data ${sets}

# mix SET OUT OPTIONS...: noisy copies of a set
noisy=${dumpdir}/noisy
mix() {
    local set=$1 out=$2
    shift 2
    if stage 2 noise "${out}" "noise of ${noises} on ${set}" --in "${datadir}" --in "${noises}" ${rooms:+--in "${rooms}"} \
        --opt "$* ${noise_seed}"; then
        job_gpu=0 run_jobs "${out}/logs/mix" python -m codec_ssl.bin.noisy_sets --data_dir "${datadir}/${set}" --noises "${noises}" \
            ${rooms:+--rooms "${rooms}"} --seed "${noise_seed}" --out "${out}" "$@"
        stage_done
    fi
}
tests=() copies=()  # sets to transcribe by name; what is trained on beside the training sets
for set in ${test_sets}; do tests+=("${set}=${datadir}/${set}"); done
if [ -n "${noises}" ]; then
    for set in ${test_sets}; do
        mix "${set}" "${noisy}/${set}" --snrs "${snrs}"
        for snr in ${snrs}; do tests+=("${set}_snr${snr}=${noisy}/${set}/snr${snr}"); done
    done
fi
if [ -n "${train_noise}" ]; then
    for set in "${trains[@]}"; do
        mix "${set}" "${noisy}/${set}_train" --snr_range "${train_noise}"
        copies+=("${set}_noisy=${noisy}/${set}_train")
    done
fi

codec_name=audio codec_inputs=()
if [ "${input}" = codes ] && [ -z "${codec}" ]; then
    [ -f "${codec_recipe}" ] || die "say which --codec: there is no ${codec_recipe} to train one with"
    codec=$(realpath -m "${expdir}/codec_training/codec") codec_name=codec codec_inputs=(--in "${expdir}/codec")
    if stage 3 codec "${expdir}/codec" "train a codec with ${codec_recipe}" --in "${datadir}" --opt "${codec_recipe} ${codec_args} ${size}"; then
        bash "${codec_recipe}" --stage codec --stop_stage codec --ngpu "${ngpu}" ${size:+--size "${size}"} --datadir "$(realpath -m "${datadir}")" \
            --dumpdir "$(realpath -m "${dumpdir}")" --expdir "$(realpath -m "${expdir}/codec_training")" --codec_args "${codec_args}" \
            --train_set "${trains[0]}" --valid_set "${valid_set}"
        stage_done
    fi
elif [ "${input}" = codes ]; then
    codec_name=$(codec_name_of "${codec}") codec_inputs=(--opt "${codec}")
    if [ -e "${codec}" ]; then codec_inputs=(--in "${codec}") codec=$(realpath "${codec}"); fi
fi
codes=${dumpdir}/codes_${codec_name}
named=()
for set in ${train_set} ${valid_set}; do named+=("${set}=${datadir}/${set}"); done
if [ "${input}" = codes ]; then
    for each in "${named[@]}" "${copies[@]}" "${tests[@]}"; do
        set=${each%%=*}
        if stage 4 codes "${codes}/${set}" "codes of ${set}" --in "${each#*=}" "${codec_inputs[@]}" --opt "${max_bad_rate}"; then
            run_jobs "${codes}/logs/${set}" python -m codec_ssl.bin.extract_codes --codec "${codec}" --data_dir "${each#*=}" \
                --store "${codes}/${set}" --max_bad_rate "${max_bad_rate}" --device "${device}"
            stage_done
        fi
    done
fi
# All training sets as one
joined=${trains[0]}
speech_of() {  # SET DATA_DIR: what is read of a set
    if [ "${input}" = codes ]; then echo "${codes}/$1"; else echo "$2"; fi
}
train_speech=$(speech_of "${joined}" "${datadir}/${joined}")
if [ ${#trains[@]} -gt 1 ] || [ ${#copies[@]} -gt 0 ]; then
    joined=$(IFS=+; echo "${trains[*]}")${train_noise:+_noise_${train_noise// /_}}
    parts=() folders=()
    for each in "${named[@]::${#trains[@]}}" "${copies[@]}"; do parts+=("$(speech_of "${each%%=*}" "${each#*=}")") folders+=(--in "${each#*=}"); done
    for part in "${parts[@]}"; do folders+=(--in "${part}"); done
    train_speech=${dumpdir}/joined_${codec_name}/${joined}
    if stage 4 codes "${train_speech}" "all training sets as one" "${folders[@]}"; then
        if [ "${input}" = codes ]; then python -m codec_ssl.bin.tokens combine "${train_speech}" "${parts[@]}"
        else python -m codec_ssl.bin.data_dir combine "${train_speech}" "${parts[@]}"; fi
        stage_done
    fi
fi

learnt=""
if [ "${lang_token}" = true ]; then learnt=_with_languages; fi
if [ "${lang_only}" = true ]; then learnt=_languages; fi
texts=${dumpdir}/text${learnt}
write_text() {  # OUT DATA_DIR...: normalised transcripts
    local out=$1 folders=() folder
    shift
    for folder in "$@"; do folders+=(--in "${folder}"); done
    if stage 5 text "${texts}/${out}" "transcripts of ${out}" "${folders[@]}" --opt "${text_args} ${lang_token} ${lang_only} ${unusable_text}"; then
        # shellcheck disable=SC2086  # text_args is a list of options
        python -m codec_ssl.bin.asr_text --data_dir "$@" --out "${texts}/${out}" --lang_token "${lang_token}" \
            --lang_only "${lang_only}" --unusable_text "${unusable_text}" ${text_args}
        stage_done
    fi
}
train_folders=()
for each in "${named[@]::${#trains[@]}}" "${copies[@]}"; do train_folders+=("${each#*=}"); done
write_text "${joined}" "${train_folders[@]}"
for each in "${valid_set}=${datadir}/${valid_set}" "${tests[@]}"; do
    if [ "${each%%=*}" != "${joined}" ]; then write_text "${each%%=*}" "${each#*=}"; fi
done

vocabulary=${dumpdir}/vocabulary_${joined}${learnt}_${token_type}$([ "${token_type}" != bpe ] || echo "${nbpe}")
if stage 6 vocabulary "${vocabulary}" "tokens of ${joined}" --in "${texts}/${joined}" --opt "${token_type} ${nbpe} ${lang_token}"; then
    python -m codec_ssl.bin.asr_vocabulary --text "${texts}/${joined}/target" --out "${vocabulary}" --token_type "${token_type}" \
        --nbpe "${nbpe}" --lang_token "${lang_token}"
    stage_done
fi

kind=token_store
if [ "${input}" = audio ]; then kind=speech_${sample_rate}; fi
valid_speech=$(speech_of "${valid_set}" "${datadir}/${valid_set}")
exp=${expdir}/${tag:-${codec_name}_$(basename "${asr_train_config}" .yaml)}
vocabulary_args=(--token_type "${token_type}" --token_list "${vocabulary}/tokens.txt" --non_linguistic_symbols "${vocabulary}/symbols.txt")
if [ "${token_type}" = bpe ]; then vocabulary_args+=(--bpemodel "${vocabulary}/bpe/pieces.model"); fi
if stage 7 train "${exp}" "train on ${train_speech}" --in "${train_speech}" --in "${valid_speech}" --in "${texts}/${joined}" \
    --in "${texts}/${valid_set}" --in "${vocabulary}" --opt "$(grep -v '^max_epoch' "${asr_train_config}")" \
    --opt "${train_args} ${unusable_text} ${unknown_symbols} ${unfit}" --extent "$(grep '^max_epoch' "${asr_train_config}")"; then
    # shellcheck disable=SC2086  # train_args is a list of options
    run_training "${exp}" codec_ssl.bin.codec_asr_train --config "${asr_train_config}" "${vocabulary_args[@]}" \
        --train_data_path_and_name_and_type "${train_speech},speech,${kind}" \
        --train_data_path_and_name_and_type "${texts}/${joined}/target,text,text" \
        --valid_data_path_and_name_and_type "${valid_speech},speech,${kind}" \
        --valid_data_path_and_name_and_type "${texts}/${valid_set}/target,text,text" \
        --unusable_text "${unusable_text}" --unknown_symbols "${unknown_symbols}" --unfit "${unfit}" ${train_args}
    stage_done
fi

scored=()
for each in "${tests[@]}"; do
    set=${each%%=*} out=${exp}/decode_${each%%=*} speech=$(speech_of "${each%%=*}" "${each#*=}")
    source=(--store "${speech}")
    if [ "${input}" = audio ]; then source=(--data_dir "${speech}" --sample_rate "${sample_rate}"); fi
    if stage 8 decode "${out}" "transcribe ${set}" --in "${exp}" --in "${speech}" --opt "${checkpoint} ${decode_args}"; then
        # shellcheck disable=SC2086  # decode_args is a list of options
        run_jobs "${out}/logs/decode" python -m codec_ssl.bin.codec_asr_decode --exp "${exp}" --checkpoint "${checkpoint}" \
            "${source[@]}" --out "${out}" --device "${device}" ${decode_args}
        stage_done
    fi
done
for each in "${tests[@]}"; do
    set=${each%%=*} out=${exp}/score_${each%%=*}
    scored+=(--in "${out}")
    if stage 9 score "${out}" "error rates of ${set}" --in "${exp}/decode_${set}" --in "${texts}/${set}" --opt "${scoring} ${score_args}"; then
        if [ "${scoring}" = default ]; then score=(codec_ssl.bin.score_asr --lang_token "${lang_token}")
        else score=(codec_ssl.bin.score_ml_superb); fi
        # shellcheck disable=SC2086  # score_args is a list of options
        python -m "${score[@]}" --data_dir "${texts}/${set}" --hyp "${exp}/decode_${set}" --out "${out}" --set "${set//-/_}" \
            --recipe "${recipe}" --ignore_missing true --unusable_text "${unusable_text}" ${score_args}
        stage_done
    fi
done

if stage 10 report "${expdir}/report" "REPORT.md, plots, robustness" "${scored[@]}"; then
    python -m codec_ssl.bin.report --expdir "${expdir}" --title "Codec-ASR: ${recipe}" --out "${expdir}/report"
    stage_done
    log "report: $(realpath "${expdir}")/report/REPORT.md"
fi
stages_end
