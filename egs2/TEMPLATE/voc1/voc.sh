#!/usr/bin/env bash
# Speech made from units by a HiFi-GAN, and voice conversion (RepCodec, arXiv 2309.00169, section 4.3), beside codecs.
# Called by egs2/<corpus>/voc1/run.sh, which sets the options below; see README.md beside this file.
#
# Stages: 1 data, 2 tokens, 3 f0 (with --f0 true), 4 train, 5 synthesize, 6 convert (with --convert true), 7 score, 8 report
set -euo pipefail
cd "$(dirname "$0")"
. ./path.sh
. ./cmd.sh

# options
stage=1              # first stage, by number or name
stop_stage=8         # last stage, by number or name
nj=2                 # parallel jobs of tokens, F0 codes, synthesis and scores
ngpu=0               # GPUs of one training (0: CPU); several are used through torch.distributed
num_nodes=1          # nodes of one training (more than 1 needs CMD_BACKEND=slurm)
datadir=data         # data dirs
dumpdir=dump         # token stores, F0 codes
expdir=exp           # vocoders, speech, scores, report
dry_run=false        # true: print the plan and run nothing
size=                # variant of the recipe: configs of conf/<size>, and --size for local/data.sh
audio_dir=           # a folder of audio to use in place of the recipe's corpus
manifest=            # its table (tab separated: utt_id, path, speaker, text, any label)
audio_opts=          # more options for prepare_data folder, e.g. "--where corpus=ljspeech"
align=               # a language such as en: align the phones of transcribed audio that has no phones.ctm
local_data_opts=     # more options for local/data.sh
train_set=train      # data dir to train on
valid_set=valid      # data dir for validation
test_set="test"      # data dirs to synthesize and score
max_bad_rate=0.01    # largest share of unusable audio files before a stage fails
# Units: a vocoder for each of these
tokenizers=kmeans,repcodec  # NAME, of --tok_exp or made here by --tok_recipe, or NAME=DIR, a folder of bin/fit_kmeans.py or train_tokenizer.py
tok_exp=             # the experiments of a tok1 recipe that has trained them, e.g. ../../librispeech/tok1/exp
tok_recipe=../tok1/run.sh  # else the recipe that trains them on the same data
tok_args=            # more options for that, as for tok.sh, e.g. "--num_clusters 100"
encoder=             # what their features come from, as for tok.sh; without --tok_exp and DIR it may be left to --tok_recipe
layer=               # its layer (default: that of conf/encoders)
codes=               # folder of the sets' token stores, for encoders that read codes
tokens=              # NAME=DIR,...: units that are there already, DIR/<set> is a token store
codec=               # also a vocoder of this codec's streams: a name of conf/codecs, a checkpoint, an exp dir
# Model
train_config=        # config of the vocoders (default: conf/train_unit_hifigan.yaml)
train_args=          # more options for every training, as for ESPnet's trainer, e.g. "--max_epoch 160" for other steps
f0=false             # true: quantized F0 beside the units
f0_config=           # config of the F0 quantizer (default: conf/train_f0_quantizer.yaml)
f0_args=             # more options for its training
contour_args=        # more options of bin/f0_contours.py, e.g. "--f0_min 50 --method dio"
checkpoint=best      # best, latest or an epoch number
# Speech
predict_durations=false  # true: also speech from de-duplicated units, with the durations that the vocoder predicts
convert=false        # true: voice conversion, every test utterance to another speaker of the training
convert_seed=0       # draws these speakers, the same for all systems
codecs=              # rows to compare with: codecs, each with the codebooks to decode if not all: "encodec_24k_1cb trained:1 DIR:2";
                     # trained is the codec of --tok_recipe
# Scores
metrics=vocoder      # of bin/evaluate_codec.py, by name or group; speech of other length or voice has those of tts
score_args=          # more options for it: the weights that metrics need, "--whisper DIR --utmos DIR"
listen=8             # utterances of the listening page; 0: no page
listen_seed=0        # draws these and shuffles the clips
# end options
. "${root}/utils/parse_options.sh"
. "${root}/utils/stages.sh"
. "${root}/utils/data_stage.sh"
. "${root}/utils/units_stage.sh"
. "${root}/utils/launch.sh"

conf() {  # the variant's config where there is one
    if [ -n "${size}" ] && [ -f "conf/${size}/$1" ]; then echo "conf/${size}/$1"; else echo "conf/$1"; fi
}
train_config=${train_config:-$(conf train_unit_hifigan.yaml)}
f0_config=${f0_config:-$(conf train_f0_quantizer.yaml)}
[ -f "${train_config}" ] || die "no training config ${train_config}"
if [ -n "${audio_dir}" ]; then train_set=train valid_set=valid test_set=test; fi
sets=$(unique_words "${train_set} ${valid_set} ${test_set}")
recipe=${PWD#"${root}/"}
device=$([ "${ngpu}" -gt 0 ] && echo cuda || echo cpu)
job_gpu=$([ "${ngpu}" -gt 0 ] && echo 1 || echo 0)  # of one job of tokens, synthesis or scores
has_durations=$(awk '$1 == "durations:" { print $2; exit }' "${train_config}")
if [[ ${train_args} =~ durations=(true|false) ]]; then has_durations=${BASH_REMATCH[1]}; fi
if [ "${predict_durations}" = true ] && [ "${has_durations}" != true ]; then
    die "--predict_durations true: ${train_config} trains no durations (vocoder_conf: durations: true, or --train_args \"--vocoder_conf durations=true\")"
fi
if [ "${predict_durations}" = true ] && [ "${f0}" = true ]; then die "--predict_durations true: not with --f0 true, as F0 codes say when"; fi

stages_begin "1 data" "2 tokens" "3 f0" "4 train" "5 synthesize" "6 convert" "7 score" "8 report"
# shellcheck disable=SC2086  # sets is a list
data_stage 1 data ${sets}

units_stage 2 tokens

pitch=${dumpdir}/f0 quantizer=${expdir}/f0_quantizer
if [ "${f0}" = true ]; then
    [ -f "${f0_config}" ] || die "no config of the F0 quantizer ${f0_config}"
    contours=() data=()
    for set in ${sets}; do
        if stage 3 f0 "${pitch}/contours/${set}" "F0 of ${set}" --in "${datadir}" --opt "${contour_args}"; then
            # shellcheck disable=SC2086  # contour_args is a list of options
            ${gpu_cmd} --gpu 0 --num_threads 1 "JOB=1:${nj}" "${pitch}/logs/contours_${set}.JOB.log" -- python -m codec_ssl.bin.f0_contours \
                --data_dir "${datadir}/${set}" --out "${pitch}/contours/${set}" ${contour_args} --num_jobs "${nj}" --job JOB
            stage_done
        fi
    done
    for split in train valid; do
        set=$([ "${split}" = train ] && echo "${train_set}" || echo "${valid_set}")
        contours+=(--in "${pitch}/contours/${set}")
        data+=("--${split}_data_path_and_name_and_type" "${pitch}/contours/${set},contours,feature_cache"
            "--${split}_data_path_and_name_and_type" "${datadir}/${set},speakers,data_dir")
    done
    if stage 3 f0 "${quantizer}" "train the F0 quantizer" --in "${datadir}" "${contours[@]}" --opt "$(grep -v '^max_epoch' "${f0_config}")" \
        --opt "${f0_args}" --extent "$(grep '^max_epoch' "${f0_config}")"; then
        # shellcheck disable=SC2086  # f0_args is a list of options
        run_training "${quantizer}" codec_ssl.bin.f0_quantizer_train --config "${f0_config}" "${data[@]}" ${f0_args}
        stage_done
    fi
    for set in ${sets}; do
        if stage 3 f0 "${pitch}/codes/${set}" "F0 codes of ${set}" --in "${datadir}" --in "${pitch}/contours/${set}" --in "${quantizer}"; then
            job_gpu=0 run_jobs "${pitch}/logs/codes_${set}" python -m codec_ssl.bin.f0_codes --exp "${quantizer}" \
                --contours "${pitch}/contours/${set}" --data_dir "${datadir}/${set}" --out "${pitch}/codes/${set}"
            stage_done
        fi
    done
fi

data_of() {  # train|valid SET STORES: the training's data of a set
    data+=("--$1_data_path_and_name_and_type" "$3/$2,codes,token_store" "--$1_data_path_and_name_and_type" "${datadir}/$2,audio,audio_16000")
    inputs+=(--in "$3/$2")
    if [ "${f0}" = true ]; then data+=("--$1_data_path_and_name_and_type" "${pitch}/codes/$2,f0,token_store") inputs+=(--in "${pitch}/codes/$2"); fi
}
trained() { exp=${expdir}/$1_$(basename "${train_config}" .yaml | sed s/^train_//); }
for name in "${systems[@]}"; do
    trained "${name}"
    data=() inputs=(--in "${datadir}")
    data_of train "${train_set}" "${stores[${name}]}"
    data_of valid "${valid_set}" "${stores[${name}]}"
    if stage 4 train "${exp}" "train a vocoder on ${name}" "${inputs[@]}" --opt "$(grep -v '^max_epoch' "${train_config}")" \
        --opt "${train_args}" --extent "$(grep '^max_epoch' "${train_config}")"; then
        # shellcheck disable=SC2086  # train_args is a list of options
        run_training "${exp}" codec_ssl.bin.vocoder_train --config "${train_config}" "${data[@]}" ${train_args}
        stage_done
    fi
done

# speak STAGE OUT WHAT SET [OPTIONS]: speech of a system's units of a set
speak() {
    local number=$1 out=$2 what=$3 set=$4 options
    shift 4
    options=(--exp "${exp}" --checkpoint "${checkpoint}" --store "${stores[${name}]}/${set}" --data_dir "${datadir}/${set}" "$@")
    inputs=(--in "${exp}" --in "${stores[${name}]}/${set}" --in "${datadir}" --opt "${checkpoint} $*")
    if [ "${f0}" = true ]; then options+=(--f0_store "${pitch}/codes/${set}") inputs+=(--in "${pitch}/codes/${set}"); fi
    if stage "${number%% *}" "${number#* }" "${out}" "${name}: ${what} of ${set}" "${inputs[@]}"; then
        run_jobs "${exp}/logs/$(basename "${out}")" python -m codec_ssl.bin.vocoder_synthesize "${options[@]}" --out "${out}" --device "${device}"
        stage_done
    fi
}
# score OUT SPEECH METRICS REFERENCE DECODED [OPTIONS]: scores of what a system (name) made of a set
reports=()
score() {
    local out=$1 speech=$2 metrics=$3 reference=$4 decoded=$5
    shift 5
    inputs=(--in "${datadir}" --in "${decoded}")
    if [ "${reference#"${datadir}"}" = "${reference}" ]; then inputs+=(--in "$(dirname "${reference}")"); fi
    if stage 7 score "${out}" "${name}: scores of ${speech} of ${set}" "${inputs[@]}" --opt "${metrics} ${score_args} ${speech}"; then
        # shellcheck disable=SC2086  # score_args is a list of options
        ${gpu_cmd} --gpu "${job_gpu}" --num_threads "${OMP_NUM_THREADS}" "${out}/evaluate.log" -- \
            python -m codec_ssl.bin.evaluate_codec --reference "${reference}" --decoded "${decoded}" --metrics "${metrics}" --nj "${nj}" \
            --codec "${name}" --speech "${speech}" --set "${set//-/_}" --recipe "${recipe}" --ignore_missing true --device "${device}" \
            --out "${out}" "$@" ${score_args}
        stage_done
    fi
    reports+=(--in "${out}")
}
page=() page_in=() page_set=${test_set%% *}
listen_to() { if [ "${set}" = "${page_set}" ]; then page+=("${name}=$1") page_in+=(--in "$1"); fi; }
for name in "${systems[@]}"; do
    trained "${name}"
    for set in ${test_set}; do
        told=(--units "${stores[${name}]}/${set}" --config "${train_config}" --exp "${exp}")
        speak "5 synthesize" "${exp}/speech_${set}" speech "${set}"
        score "${exp}/score_${set}" resynthesis "${metrics}" "${datadir}/${set}" "${exp}/speech_${set}" "${told[@]}"
        listen_to "${exp}/speech_${set}"
        if [ "${predict_durations}" = true ]; then
            speak "5 synthesize" "${exp}/timed_${set}" "speech with predicted durations" "${set}" --deduplicate true
            score "${exp}/score_timed_${set}" predicted_durations tts "${datadir}/${set}" "${exp}/timed_${set}" "${told[@]}"
        fi
        if [ "${convert}" = true ]; then
            to=${exp}/converted_${set}
            speak "6 convert" "${to}" "voices converted" "${set}" --voice_conversion "${convert_seed}"
            score "${exp}/score_converted_${set}" conversion tts "${to}/target_reference" "${to}" "${told[@]}"
            score "${exp}/score_source_${set}" conversion_source speaker_similarity "${datadir}/${set}" "${to}" "${told[@]}"
        fi
    done
done

# What there is to compare with: codecs, and the recordings themselves.
for each in ${codecs}; do
    from=${each%:*} books=""
    if [ "${each}" != "${from}" ]; then books=${each##*:}; fi
    if [ "${from}" = trained ]; then
        if [ -z "${trained_codec}" ]; then log "--codecs ${each}: no codec is trained for these units, it is left out"; continue; fi
        from=${trained_codec}
    fi
    stored=$(codec_name_of "${from}")
    name=${stored}${books:+_${books}cb}
    if [ "${each%:*}" = trained ]; then made_of=(--in "${expdir}/tok1"); elif [ -e "${from}" ]; then made_of=(--in "${from}"); else made_of=(--opt "${from}"); fi
    for set in ${test_set}; do
        out=${expdir}/codecs/${name}/speech_${set}
        codec_stage 2 tokens "${from}" "${dumpdir}/${stored}" "${set}" "${made_of[@]}"
        if stage 5 synthesize "${out}" "${name}: audio decoded from its codes of ${set}" --in "${dumpdir}/${stored}/${set}" --in "${datadir}" "${made_of[@]}"; then
            run_jobs "${out%/*}/logs/${set}" python -m codec_ssl.bin.decode_codes --codec "${from}" --store "${dumpdir}/${stored}/${set}" \
                --data_dir "${datadir}/${set}" --out "${out}" ${books:+--num_codebooks "${books}"} --device "${device}"
            stage_done
        fi
        score "${expdir}/codecs/${name}/score_${set}" resynthesis "${metrics}" "${datadir}/${set}" "${out}" --units "${dumpdir}/${stored}/${set}" ${books:+--num_codebooks "${books}"}
        listen_to "${out}"
    done
done
name=original
for set in ${test_set}; do
    if [[ ${score_args} = *--whisper* ]]; then
        score "${expdir}/original/score_${set}" resynthesis wer "${datadir}/${set}" "${datadir}/${set}"
    fi
    if [ "${convert}" = true ]; then  # how alike the two speakers are, whom a conversion is between
        trained "${systems[0]}"
        score "${expdir}/original/score_converted_${set}" conversion tts "${exp}/converted_${set}/target_reference" "${datadir}/${set}"
    fi
done

if [ "${listen}" -gt 0 ] && stage 8 report "${expdir}/listening" "listening page" "${page_in[@]}" --opt "${listen} ${listen_seed}"; then
    python -m codec_ssl.bin.listening_page --systems "$(IFS=,; echo "${page[*]}")" --reference "${datadir}/${page_set}" --num "${listen}" \
        --seed "${listen_seed}" --title "${recipe}" --out "${expdir}/listening"
    stage_done
fi
if stage 8 report "${expdir}/report" "REPORT.md and plots" "${reports[@]}"; then
    python -m codec_ssl.bin.report --expdir "${expdir}" --title "Vocoders of units: ${recipe}" --out "${expdir}/report"
    stage_done
    log "report: $(realpath "${expdir}")/report/REPORT.md"
fi
stages_end
