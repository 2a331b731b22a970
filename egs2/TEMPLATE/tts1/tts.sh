#!/usr/bin/env bash
# Speech synthesis that predicts codec tokens (Do Neural Codecs Generalize?, arXiv 2601.12205, section 4.3), with its references.
# Called by egs2/<corpus>/tts1/run.sh, which sets the options below; see README.md beside this file.
#
# Stages: 1 data, 2 codec (only where none is given), 3 frames, 4 phones, 5 train, 6 synthesize, 7 evaluate, 8 score, 9 report
set -euo pipefail
cd "$(dirname "$0")"
. ./path.sh
. ./cmd.sh

# options
stage=1              # first stage, by number or name
stop_stage=9         # last stage, by number or name
nj=2                 # parallel jobs of codes, phones and synthesis
ngpu=0               # GPUs of one training (0: CPU); several are used through torch.distributed
num_nodes=1          # nodes of one training (more than 1 needs CMD_BACKEND=slurm)
datadir=data         # data dirs; each needs text, and phones.ctm where there is no --align
dumpdir=dump         # codes, spectra, phones
expdir=exp           # trained models, speech, scores, report
dry_run=false        # true: print the plan and run nothing
size=                # variant of the recipe: configs of conf/<size>, and --size for local/data.sh
audio_dir=           # a folder of audio to use in place of the recipe's corpus
manifest=            # its table (tab separated: utt_id, path, speaker, text, any label)
audio_opts=          # more options for prepare_data folder, e.g. "--where corpus=ljspeech"
align=               # a language such as en: align the phones of transcribed audio that has no phones.ctm
local_data_opts=     # more options for local/data.sh
train_set=train      # data dir to train on
valid_set=valid      # data dir for validation
test_set="test"      # data dirs to speak and score
max_bad_rate=0.01    # largest share of unusable audio files or alignments before a stage fails
# What is predicted
systems=codes,copy   # codes: codec tokens; mel: spectra for a vocoder; copy, mel_copy: the reference's own codes or spectra, decoded
codec=               # codec name of conf/codecs, checkpoint or exp dir; empty: --codec_recipe trains one
codec_recipe=../ssl1/run.sh  # recipe whose stage codec trains one on the same data
codec_args=          # more options for that, as for ESPnet's trainer
num_codebooks=8      # streams: the first so many of the codec's codebooks
mel_conf=            # options of the spectra, those of the vocoder: "sample_rate=22050 hop_length=256"
vocoder=             # checkpoint of a vocoder for mel; empty: Griffin-Lim
# Text
reading=text         # text: phones of the test sets' texts, by espeak-ng or a dictionary; phones: those of their alignments
text_args=           # more options of bin/tts_synthesize.py for texts: "--lexicon FILE", "--language en"
phones_args=         # more options of bin/tts_phones.py, e.g. "--f0_min 50"
unknown_symbols=error  # skip: leave out what has phones that the training has not
# Model
train_config=        # config of codes (default: conf/train_fastspeech2_codes.yaml)
mel_config=          # config of mel (default: conf/train_fastspeech2_mel.yaml)
train_args=          # more options for every training, as for ESPnet's trainer
checkpoint=best      # best, latest or an epoch number
synthesize_args=     # more options of bin/tts_synthesize.py, e.g. "--sampling sample --temperature 0.8"
# Scores
metrics=tts          # of bin/evaluate_codec.py, by name or group: tts is "wer utmos speaker_similarity"; none: no scores
score_args=          # more options for it: the weights that metrics need, "--whisper DIR --utmos DIR"
# end options
. "${root}/utils/parse_options.sh"
. "${root}/utils/stages.sh"
. "${root}/utils/data_stage.sh"
. "${root}/utils/launch.sh"

conf() {  # the variant's config where there is one
    if [ -n "${size}" ] && [ -f "conf/${size}/$1" ]; then echo "conf/${size}/$1"; else echo "conf/$1"; fi
}
has() { [[ ",${systems}," = *",$1,"* ]]; }
train_config=${train_config:-$(conf train_fastspeech2_codes.yaml)}
mel_config=${mel_config:-$(conf train_fastspeech2_mel.yaml)}
if [ -n "${audio_dir}" ]; then train_set=train valid_set=valid test_set=test; fi
sets=$(unique_words "${train_set} ${valid_set} ${test_set}")
for system in ${systems//,/ }; do
    case ${system} in codes|mel|copy|mel_copy) ;; *) die "--systems: there are codes, mel, copy and mel_copy, not '${system}'" ;; esac
done
case ${reading} in text|phones) ;; *) die "--reading is text or phones, not '${reading}'" ;; esac
recipe=${PWD#"${root}/"}
device=$([ "${ngpu}" -gt 0 ] && echo cuda || echo cpu)
job_gpu=$([ "${ngpu}" -gt 0 ] && echo 1 || echo 0)  # of one job of codes or synthesis

stages_begin "1 data" "2 codec" "3 frames" "4 phones" "5 train" "6 synthesize" "7 evaluate" "8 score" "9 report"
# shellcheck disable=SC2086  # sets is a list
data_stage 1 data ${sets}

codec_name="" codec_inputs=()
if has codes || has copy; then
    if [ -z "${codec}" ]; then
        [ -f "${codec_recipe}" ] || die "say which --codec: there is no ${codec_recipe} to train one with"
        codec=$(realpath -m "${expdir}/codec_training/codec") codec_name=codec
        if stage 2 codec "${expdir}/codec" "train a codec with ${codec_recipe}" --in "${datadir}" --opt "${codec_recipe} ${codec_args} ${size}"; then
            bash "${codec_recipe}" --stage codec --stop_stage codec --ngpu "${ngpu}" ${size:+--size "${size}"} --datadir "$(realpath -m "${datadir}")" \
                --dumpdir "$(realpath -m "${dumpdir}")" --expdir "$(realpath -m "${expdir}/codec_training")" --codec_args "${codec_args}" \
                --train_set "${train_set}" --valid_set "${valid_set}"
            stage_done
        fi
        codec_inputs=(--in "${expdir}/codec")
    else
        codec_name=$(codec_name_of "${codec}")
        codec_inputs=(--opt "${codec}")
        if [ -e "${codec}" ]; then codec_inputs=(--in "${codec}") codec=$(realpath "${codec}"); fi
    fi
fi
codes=${dumpdir}/codes_${codec_name} mels=${dumpdir}/mel
codes_exp=${expdir}/${codec_name}_$(basename "${train_config}" .yaml)
mel_exp=${expdir}/$(basename "${mel_config}" .yaml)

# frames_of SYSTEM: where its frames, phones and experiment are, what speaks, and what scores say of it
frames_of() {
    case $1 in
        codes|copy)
            frames=${codes} phones=${dumpdir}/phones_${codec_name} exp=${codes_exp} config=${train_config} voice=(--codec "${codec}")
            told=(--codec "${codec_name}" --num_codebooks "${num_codebooks}" --config "${config}") ;;
        mel|mel_copy)
            frames=${mels} phones=${dumpdir}/phones_mel exp=${mel_exp} config=${mel_config} voice=(${vocoder:+--vocoder "${vocoder}"})
            told=(--codec mel --config "${config}") ;;
    esac
    case $1 in  # systems of their own, that no training made
        copy)
            exp=${expdir}/copy_${codec_name} voice+=(--num_codebooks "${num_codebooks}")
            told=(--codec "copy_${codec_name}" --num_codebooks "${num_codebooks}") ;;
        mel_copy) exp=${expdir}/copy_mel told=(--codec copy_mel) ;;
    esac
}

for set in ${sets}; do
    # of a copy, only what is spoken
    if { has codes || has copy; } && { has codes || [[ " ${test_set} " = *" ${set} "* ]]; } &&
        stage 3 frames "${codes}/${set}" "codes of ${set}" --in "${datadir}" "${codec_inputs[@]}" --opt "${max_bad_rate}"; then
        run_jobs "${codes}/logs/${set}" python -m codec_ssl.bin.extract_codes --codec "${codec}" --data_dir "${datadir}/${set}" \
            --store "${codes}/${set}" --max_bad_rate "${max_bad_rate}" --device "${device}"
        stage_done
    fi
    if { has mel || has mel_copy; } && { has mel || [[ " ${test_set} " = *" ${set} "* ]]; } &&
        stage 3 frames "${mels}/${set}" "spectra of ${set}" --in "${datadir}" --opt "${mel_conf}"; then
        # shellcheck disable=SC2086  # mel_conf is a list of options
        ${gpu_cmd} --gpu 0 --num_threads 1 "JOB=1:${nj}" "${mels}/logs/${set}.JOB.log" -- \
            python -m codec_ssl.bin.tts_mel --data_dir "${datadir}/${set}" --out "${mels}/${set}" --mel_conf ${mel_conf} --num_jobs "${nj}" --job JOB
        stage_done
    fi
done

for system in codes mel; do
    if ! has "${system}"; then continue; fi
    frames_of "${system}"
    for set in ${sets}; do
        if stage 4 phones "${phones}/${set}" "durations, pitch and energy of ${set}" --in "${datadir}" --in "${frames}/${set}" \
            --opt "${phones_args} ${max_bad_rate}"; then
            # shellcheck disable=SC2086  # phones_args is a list of options
            job_gpu=0 run_jobs "${phones}/logs/${set}" python -m codec_ssl.bin.tts_phones --data_dir "${datadir}/${set}" --frames "${frames}/${set}" \
                --out "${phones}/${set}" --max_bad_rate "${max_bad_rate}" ${phones_args}
            stage_done
        fi
    done
    [ -f "${config}" ] || die "no training config ${config}"
    options=(--target "${system}") kind=features,feature_cache
    if [ "${system}" = codes ]; then options+=(--codec "${codec}" --num_codebooks "${num_codebooks}") kind=codes,token_store; fi
    if stage 5 train "${exp}" "train on ${frames}" --in "${phones}/${train_set}" --in "${phones}/${valid_set}" --in "${frames}/${train_set}" \
        --in "${frames}/${valid_set}" --opt "$(grep -v '^max_epoch' "${config}")" --opt "${options[*]} ${train_args} ${unknown_symbols}" \
        --extent "$(grep '^max_epoch' "${config}")"; then
        # shellcheck disable=SC2086  # train_args is a list of options
        run_training "${exp}" codec_ssl.bin.tts_train --config "${config}" "${options[@]}" --unknown_symbols "${unknown_symbols}" \
            --train_data_path_and_name_and_type "${phones}/${train_set},phones,phone_store" \
            --train_data_path_and_name_and_type "${frames}/${train_set},${kind}" \
            --valid_data_path_and_name_and_type "${phones}/${valid_set},phones,phone_store" \
            --valid_data_path_and_name_and_type "${frames}/${valid_set},${kind}" ${train_args}
        stage_done
    fi
done

scored=()
for system in ${systems//,/ }; do
    frames_of "${system}"
    for set in ${test_set}; do
        spoken=${exp}/speech_${set}
        if [ "${system}" = copy ] || [ "${system}" = mel_copy ]; then
            what=(--copy "${frames}/${set}" --data_dir "${datadir}/${set}")
            made=(--in "${frames}/${set}" --in "${datadir}")
        else
            what=(--exp "${exp}" --checkpoint "${checkpoint}" --data_dir "${datadir}/${set}" --unknown_symbols "${unknown_symbols}")
            made=(--in "${exp}" --in "${datadir}")
            if [ "${reading}" = phones ]; then what+=(--phones "${phones}/${set}") made+=(--in "${phones}/${set}"); fi
            made+=(--opt "${reading} ${unknown_symbols} ${checkpoint} ${text_args} ${synthesize_args}")
        fi
        if stage 6 synthesize "${spoken}" "${system}: speak ${set}" "${made[@]}" --opt "${voice[*]}"; then
            if [ "${system}" = codes ] || [ "${system}" = mel ]; then
                # texts are read as they were aligned
                if [ -n "${align}" ] && [ ! -e "${datadir}/${set}/utt2lang" ]; then what+=(--language "${align}"); fi
                # shellcheck disable=SC2206  # lists of options
                what+=(${text_args} ${synthesize_args})
            fi
            run_jobs "${spoken}/logs/synthesize" python -m codec_ssl.bin.tts_synthesize "${what[@]}" "${voice[@]}" --out "${spoken}" --device "${device}"
            stage_done
        fi
        if { [ "${system}" = codes ] || [ "${system}" = mel ]; } &&
            stage 7 evaluate "${exp}/evaluate_${set}" "${system} beside the reference" --in "${exp}" --in "${phones}/${set}" --in "${frames}/${set}" \
                --opt "${checkpoint} ${unknown_symbols}"; then
            ${gpu_cmd} --gpu "${job_gpu}" --num_threads "${OMP_NUM_THREADS}" "${exp}/evaluate_${set}/evaluate.log" -- \
                python -m codec_ssl.bin.tts_evaluate --exp "${exp}" --checkpoint "${checkpoint}" --phones "${phones}/${set}" --frames "${frames}/${set}" \
                --unknown_symbols "${unknown_symbols}" --set "${set//-/_}" --recipe "${recipe}" --device "${device}" --out "${exp}/evaluate_${set}"
            stage_done
        fi
        if [ "${system}" = codes ] || [ "${system}" = mel ]; then scored+=(--in "${exp}/evaluate_${set}"); fi
        if [ "${metrics}" = none ]; then continue; fi
        if stage 8 score "${exp}/score_${set}" "${system}: scores of ${set}" --in "${spoken}" --in "${datadir}" --opt "${metrics} ${score_args}"; then
            # shellcheck disable=SC2086  # score_args is a list of options
            ${gpu_cmd} --gpu "${job_gpu}" --num_threads "${OMP_NUM_THREADS}" "${exp}/score_${set}/evaluate.log" -- \
                python -m codec_ssl.bin.evaluate_codec --reference "${datadir}/${set}" --decoded "${spoken}" --metrics "${metrics}" --nj "${nj}" \
                "${told[@]}" --set "${set//-/_}" --recipe "${recipe}" --exp "${exp}" --ignore_missing true --device "${device}" \
                --out "${exp}/score_${set}" ${score_args}
            stage_done
        fi
        scored+=(--in "${exp}/score_${set}")
    done
done

if stage 9 report "${expdir}/report" "REPORT.md and plots" "${scored[@]}"; then
    python -m codec_ssl.bin.report --expdir "${expdir}" --title "Codec-token synthesis: ${recipe}" --out "${expdir}/report"
    stage_done
    log "report: $(realpath "${expdir}")/report/REPORT.md"
fi
stages_end
