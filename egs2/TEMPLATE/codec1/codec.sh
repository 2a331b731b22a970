#!/usr/bin/env bash
# A neural codec from a corpus to scored audio: training on ESPnet's codec task, codes, audio decoded from them, scores, report.
# Called by egs2/<corpus>/codec1/run.sh, which sets the options below; see README.md beside this file.
#
# Stages: 1 data, 2 stats, 3 train, 4 tokens, 5 decode, 6 score, 7 report
set -euo pipefail
cd "$(dirname "$0")"
. ./path.sh
. ./cmd.sh

# options
stage=1              # first stage, by number or name
stop_stage=7         # last stage, by number or name
nj=2                 # parallel jobs of extraction, decoding and scoring
ngpu=0               # GPUs of one training (0: CPU); several are used through torch.distributed
num_nodes=1          # nodes of one training (more than 1 needs CMD_BACKEND=slurm)
datadir=data         # data dirs
dumpdir=dump         # token stores
expdir=exp           # codec, decoded audio, scores, report
dry_run=false        # true: print the plan and run nothing
size=                # variant of the recipe: configs of conf/<size>, and --size for local/data.sh
audio_dir=           # a folder of audio to use in place of the recipe's corpus
manifest=            # its table (tab separated: utt_id, path, speaker, text, any label)
audio_opts=          # more options for prepare_data folder, e.g. "--where language=en --split_by speaker"
align=               # a language such as en: align the phones of transcribed audio that has no phones.ctm
local_data_opts=     # more options for local/data.sh
train_set=train      # data dir to train on
valid_set=valid      # data dir for validation
eval_sets="test"     # data dirs to decode and score
token_sets=          # more data dirs to make codes of, e.g. "train valid" for what is trained on codes
max_bad_rate=0.01    # largest share of unusable audio files before a stage fails
codec=               # codec name of conf/codecs, checkpoint or exp dir to score; empty: train one
train_config=        # config of the training (default: conf/train_soundstream.yaml)
tag=                 # name of the trained codec (default: the config's without train_)
train_args=          # more options for the training, as for ESPnet's trainer
num_codebooks=       # the first so many of a trained codec are used (default: all that training used)
decode_codebooks=    # numbers of codebooks to decode and score, e.g. "2 4 8" (default: those used)
metrics=             # metrics of bin/evaluate_codec.py, e.g. "mcd pesq" (default: all that can run; none: only the agreement of codes)
score_args=          # more options for bin/evaluate_codec.py
# end options
. "${root}/utils/parse_options.sh"
. "${root}/utils/stages.sh"
. "${root}/utils/data_stage.sh"
. "${root}/utils/launch.sh"

conf() {  # the variant's config where there is one
    if [ -n "${size}" ] && [ -f "conf/${size}/$1" ]; then echo "conf/${size}/$1"; else echo "conf/$1"; fi
}
device=$([ "${ngpu}" -gt 0 ] && echo cuda || echo cpu)
job_gpu=$([ "${ngpu}" -gt 0 ] && echo 1 || echo 0)  # of one extraction job
recipe=${PWD#"${root}/"}
if [ -n "${audio_dir}" ]; then train_set=train valid_set=valid eval_sets=test; fi
# every set once, in a fixed order
trained_on=$([ -n "${codec}" ] || echo "${train_set} ${valid_set}")
token_sets=$(unique_words "${token_sets} ${eval_sets}")
sets=$(unique_words "${trained_on} ${token_sets}")

stages_begin "1 data" "2 stats" "3 train" "4 tokens" "5 decode" "6 score" "7 report"
# shellcheck disable=SC2086  # sets is a list
data_stage 1 data ${sets}

scored=()
if [ -z "${codec}" ]; then
    train_config=${train_config:-$(conf train_soundstream.yaml)}
    [ -f "${train_config}" ] || die "--train_config ${train_config}: there is no such file"
    rate=$(awk '$1 == "sampling_rate:" { print $2; exit }' "${train_config}")
    [[ ${rate} =~ ^[0-9]+$ ]] || die "${train_config}: expected sampling_rate: with a number of Hz in codec_conf, found '${rate}'"
    name=$(basename "${train_config}" .yaml)
    codec=${expdir}/${tag:-${name#train_}}
    data=() stats=()
    for split in train valid; do
        set=$([ "${split}" = train ] && echo "${train_set}" || echo "${valid_set}")
        out=${expdir}/stats/${set}
        if stage 2 stats "${out}" "hours, lengths and unusable files of ${set}" --in "${datadir}" --opt "${rate} ${max_bad_rate}"; then
            ${cpu_cmd} "${out}/stats.log" -- python -m codec_ssl.bin.audio_stats --data_dir "${datadir}/${set}" \
                --sample_rate "${rate}" --max_bad_rate "${max_bad_rate}" --recipe "${recipe}" --out "${out}"
            stage_done
        fi
        data+=("--${split}_data_path_and_name_and_type" "${datadir}/${set},audio,audio_${rate}" "--${split}_shape_file" "${out}/num_samples")
        stats+=(--in "${out}")
    done
    scored+=("${stats[@]}")
    if stage 3 train "${codec}" "train the codec" --in "${datadir}" "${stats[@]}" --opt "$(grep -v '^max_epoch' "${train_config}")" \
        --opt "${train_set} ${valid_set} ${train_args}" --extent "$(grep '^max_epoch' "${train_config}")"; then
        # shellcheck disable=SC2086  # train_args is a list of options
        run_training "${codec}" codec_ssl.bin.codec_train --config "${train_config}" "${data[@]}" --use_preprocessor false ${train_args}
        stage_done
    fi
    codec_in=(--in "${codec}")
    if [ -n "${num_codebooks}" ]; then  # a codec of its own, for every recipe: it has other codes
        whole=${codec}
        codec=${whole}_${num_codebooks}cb.yaml
        if [ "${dry_run}" != true ] && [ -d "${whole}" ]; then
            printf '# The first %s codebooks of %s\nkind: espnet\nexp_dir: %s\nnum_codebooks: %s\n' \
                "${num_codebooks}" "${whole##*/}" "${whole##*/}" "${num_codebooks}" >"${codec}"
        fi
    fi
else
    [ -z "${num_codebooks}" ] || die "--num_codebooks is for a codec that is trained here; --decode_codebooks decodes fewer of another's"
    codec_in=(--opt "${codec}")
    if [ -e "${codec}" ]; then codec_in=(--in "${codec}"); fi
fi
name=$(codec_name_of "${codec}")
codes=${dumpdir}/${name}
told=(--recipe "${recipe}" --config "${train_config}" --exp "${codec}")  # what results say of the codec

# extract SET DATA_DIR STORE: codes of a data dir
extract() {
    run_jobs "$(dirname "$3")/logs/$1" python -m codec_ssl.bin.extract_codes --codec "${codec}" --data_dir "$2" \
        --store "$3" --max_bad_rate "${max_bad_rate}" --device "${device}"
}
for set in ${token_sets}; do
    if stage 4 tokens "${codes}/${set}" "codes of ${set}" --in "${datadir}" "${codec_in[@]}" --opt "${set} ${num_codebooks} ${max_bad_rate}"; then
        extract "${set}" "${datadir}/${set}" "${codes}/${set}"
        stage_done
    fi
done

for set in ${eval_sets}; do
    for books in ${decode_codebooks:-all}; do
        tag=${set} first=()
        if [ "${books}" != all ]; then tag=${set}_${books}cb first=(--num_codebooks "${books}"); fi
        number=${books/all/${num_codebooks}}
        decoded=${expdir}/decoded/${name}/${tag}
        if stage 5 decode "${decoded}" "audio decoded from the codes of ${set}" --in "${codes}/${set}" --in "${datadir}" "${codec_in[@]}" --opt "${books}"; then
            run_jobs "${expdir}/decoded/${name}/logs/${tag}" python -m codec_ssl.bin.decode_codes --codec "${codec}" --store "${codes}/${set}" \
                --data_dir "${datadir}/${set}" --out "${decoded}" "${first[@]}" --device "${device}"
            stage_done
        fi
        if [ "${metrics}" != none ]; then
            out=${expdir}/score/${name}/${tag}
            if stage 6 score "${out}" "metrics of ${tag}" --in "${decoded}" --in "${datadir}" --opt "${metrics} ${score_args}"; then
                # shellcheck disable=SC2086  # score_args is a list of options
                ${gpu_cmd} --gpu "${job_gpu}" --num_threads "${OMP_NUM_THREADS}" "${out}/evaluate.log" -- \
                    python -m codec_ssl.bin.evaluate_codec --reference "${datadir}/${set}" --decoded "${decoded}" --nj "${nj}" \
                    --codec "${name}" --set "${set}" ${number:+--num_codebooks "${number}"} "${told[@]}" --out "${out}" \
                    --ignore_missing true --device "${device}" ${metrics:+--metrics "${metrics}"} ${score_args}
                stage_done
            fi
            scored+=(--in "${out}")
        fi
    done
    decoded=${expdir}/decoded/${name}/${set}
    out=${expdir}/agreement/${name}/${set}
    if [ -z "${decode_codebooks}" ] && stage 6 score "${out}" "codes of ${set} decoded and coded again" --in "${decoded}" --in "${codes}/${set}" "${codec_in[@]}"; then
        extract "${set}" "${decoded}" "${out}/codes"
        python -m codec_ssl.bin.compare_codes --store "${codes}/${set}" --other "${out}/codes" --set "${set}" "${told[@]}" --out "${out}"
        stage_done
    fi
    if [ -z "${decode_codebooks}" ]; then scored+=(--in "${out}"); fi
done

used=${codes}/${token_sets%% *}
if stage 7 report "${expdir}/report" "REPORT.md and plots" "${scored[@]}" "${codec_in[@]}" --in "${used}"; then
    python -m codec_ssl.bin.report --expdir "${expdir}" --stores "${name}=${used}" --title "Codec ${name}: ${recipe}" --out "${expdir}/report"
    stage_done
    log "report: $(realpath "${expdir}")/report/REPORT.md"
fi
stages_end
