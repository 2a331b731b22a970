#!/usr/bin/env bash
# EnCodecMAE (arXiv 2309.07391) from a corpus to a self-trained encoder: codes of a codec, masked autoencoder, k-means labels, labels as targets.
# Called by egs2/<corpus>/mae1/run.sh, which sets the options below; see README.md beside this file.
#
# Stages: 1 data, 2 codec, 3 stats, 4 tokens, 5 features, 6 pretrain, 7 labels, 8 selftrain, 9 report
set -euo pipefail
cd "$(dirname "$0")"
. ./path.sh
. ./cmd.sh

# options
stage=1              # first stage, by number or name
stop_stage=9         # last stage, by number or name
nj=2                 # parallel jobs of extraction
ngpu=0               # GPUs of one training (0: CPU); several are used through torch.distributed
num_nodes=1          # nodes of one training (more than 1 needs CMD_BACKEND=slurm)
datadir=data         # data dirs
dumpdir=dump         # token stores: codes and labels; features, if they are written
expdir=exp           # codec, trained models, report
dry_run=false        # true: print the plan and run nothing
size=                # variant of the recipe: configs of conf/<size>, and --size for local/data.sh
audio_dir=           # a folder of audio to use in place of the recipe's corpus
manifest=            # its table (tab separated: utt_id, path, speaker, text, any label)
audio_opts=          # more options for prepare_data folder, e.g. "--where corpus=esc10 --max_duration 60"
local_data_opts=     # more options for local/data.sh
train_set=train      # data dir to train on
valid_set=valid      # data dir for validation
max_bad_rate=0.01    # largest share of unusable audio files before a stage fails
# Codec and data
codec=               # codec name of conf/codecs, checkpoint or exp dir; empty: train conf/train_codec.yaml
codec_args=          # more options for the codec's training, as for ESPnet's trainer
codes=store          # store: codes are extracted first; live: the codec makes them in every step
features=live        # live: input features are computed in every step; cache: they are written first (stage 5 says how large)
# Training
train_config=        # the config of the first training (default: conf/train_v2.yaml)
selftrain_config=    # that of self-training (default: selftrain_* beside it); its target says which of the paper's versions: labels
                     # (v2: labels alone, new head), both (v1: codes and labels)
train_args=          # more options for both trainings, as for ESPnet's trainer
selftrain_args=      # more options for self-training
selftrain=true       # false: only the first training
# Labels
teacher=             # experiment whose encoder is clustered, as large models are taught by a self-trained base model (default: the first training)
kmeans_layer=        # its layer, 1-based (default: the last one of its stack; the number after it is the encoder's output, see README.md)
kmeans_clusters=1024 # clusters
kmeans_frames=10000  # frames that they are fitted on, at random
kmeans_utterances=10000  # recordings that these frames are from, at random
# end options
. "${root}/utils/parse_options.sh"
. "${root}/utils/stages.sh"
. "${root}/utils/data_stage.sh"
. "${root}/utils/launch.sh"

conf() {  # the variant's config where there is one
    if [ -n "${size}" ] && [ -f "conf/${size}/$1" ]; then echo "conf/${size}/$1"; else echo "conf/$1"; fi
}
entry() { awk -v key="$2:" -v default="$3" '$1 == key { value = $2; exit } END { print value == "" ? default : value }' "$1"; }
section() { awk -v key="$2:" '/^[^ #]/ { on = $1 == key } on { sub(/[ ]*#.*/, ""); print }' "$1"; }
experiment_of() { basename "$(realpath -ms "$1")"; }
# suffix NAME: of folders in dumpdir, which may serve several experiments; those of the default one, exp, have none
suffix() { if [ "$1" != exp ]; then echo "_$1"; fi; }
one_of() { local name=$1 value=$2; shift 2; [[ " $* " = *" ${value} "* ]] || die "--${name} is one of $*, not '${value}'"; }
one_of codes "${codes}" store live
one_of features "${features}" live cache
train_config=${train_config:-$(conf train_v2.yaml)}
[ -f "${train_config}" ] || die "--train_config ${train_config}: there is no such file"
selftrain_config=${selftrain_config:-$(dirname "${train_config}")/$(basename "${train_config}" | sed 's/^train_/selftrain_/')}
input=$(entry "${train_config}" input latent)
one_of "train_config ${train_config}: input" "${input}" latent quantized mel
if [ "${selftrain}" = true ]; then  # what would stop self-training is found before days of pre-training
    [ -f "${selftrain_config}" ] || die "--selftrain_config ${selftrain_config}: there is no such file; --selftrain false does without"
    found=$(entry "${selftrain_config}" input latent)
    [ "${found}" = "${input}" ] || die "${selftrain_config}: expected input: ${input} as in ${train_config}, found ${found}"
    layer_of=(--config "${train_config}")
    if [ -n "${teacher}" ] && [ "${teacher}" != "${expdir}/pretrain" ]; then
        [ -d "${teacher}" ] || die "--teacher ${teacher}: expected the folder of an experiment, found none"
        layer_of=(--exp "${teacher}")
    fi
    # shellcheck disable=SC2086  # train_args is a list of options
    if [ -n "${kmeans_layer}" ]; then python -m codec_ssl.bin.check_layer --layer "${kmeans_layer}" "${layer_of[@]}" ${train_args}; fi
fi
input_conf=$(section "${train_config}" input_conf)
if [ "${features}" = cache ]; then
    [[ " ${train_args} ${selftrain_args} " != *" --input"* ]] || die "--features cache: input and input_conf are those of the configs; leave them out of --train_args and --selftrain_args"
    [ "${selftrain}" = false ] || [ "$(section "${selftrain_config}" input_conf)" = "${input_conf}" ] \
        || die "--features cache: expected the input_conf of ${train_config} in ${selftrain_config} too, word for word"
fi
sets=$(unique_words "${train_set} ${valid_set}")
recipe=${PWD#"${root}/"}
device=$([ "${ngpu}" -gt 0 ] && echo cuda || echo cpu)
job_gpu=$([ "${ngpu}" -gt 0 ] && echo 1 || echo 0)  # of one extraction job
# shellcheck disable=SC2034  # data_stage asks for it; nothing here needs phones
align=""

# train NUMBER NAME EXP CONFIG LABELS ARGS DESCRIPTION INPUTS...: one training; LABELS may be empty
train() {
    local number=$1 name=$2 exp=$3 config=$4 labels=$5 args=$6 what=$7 target depends=() data=() split set
    shift 7
    target=$(entry "${config}" target codes)
    for split in train valid; do
        set=$([ "${split}" = train ] && echo "${train_set}" || echo "${valid_set}")
        local -A from=()
        if [ "${codes}" = store ] && { [ "${target}" != labels ] || [ "${input}" = quantized ]; }; then from[codes]=${code_dir}/${set},codes,token_store; fi
        if [ -n "${labels}" ]; then from[labels]=${labels}/${set},labels,token_store; fi
        if [ "${features}" = cache ]; then
            from[features]=${feature_dir}/${set},features,feature_cache
        elif [ "${input}" != quantized ] || [ "${codes}" = live ]; then
            from[audio]=${datadir}/${set},audio,data_dir
        fi
        if [ "${codes}" = live ] && [ "${target}" != labels ]; then from[audio]=${datadir}/${set},audio,data_dir; fi
        for each in "${from[@]}"; do
            data+=("--${split}_data_path_and_name_and_type" "${each}")
            if [ "${each}" = "${from[audio]:-}" ]; then depends+=(--in "${datadir}"); else depends+=(--in "${each%%,*}"); fi
        done
        if [ "${#from[@]}" -eq 1 ] && [ -n "${from[audio]:-}" ]; then
            data+=("--${split}_shape_file" "${expdir}/stats/${set}/num_samples")
            depends+=(--in "${expdir}/stats/${set}")
        fi
    done
    if stage "${number}" "${name}" "${exp}" "${what}" "${depends[@]}" "${codec_in[@]}" "$@" --opt "$(grep -v '^max_epoch' "${config}")" \
        --opt "${args}" --extent "$(grep '^max_epoch' "${config}")"; then
        if [ "${name}" = selftrain ]; then data+=(--init_param "${expdir}/pretrain/latest.pth:encodecmae:encodecmae:$(new_heads "${target}")"); fi
        # shellcheck disable=SC2086  # args is a list of options
        run_training "${exp}" codec_ssl.bin.encodecmae_train --config "${config}" --codec "${codec}" "${data[@]}" ${args}
        stage_done
    fi
}
new_heads() { echo "encodecmae.objective.heads$([ "$1" = both ] && echo .labels || true)"; }  # which self-training begins anew

stages_begin "1 data" "2 codec" "3 stats" "4 tokens" "5 features" "6 pretrain" "7 labels" "8 selftrain" "9 report"

# shellcheck disable=SC2086  # sets is a list
data_stage 1 data ${sets}

if [ -z "${codec}" ]; then
    codec=${expdir}/codec
    codec_config=$(conf train_codec.yaml)
    rate=$(entry "${codec_config}" sampling_rate "")
    [[ ${rate} =~ ^[0-9]+$ ]] || die "${codec_config}: expected sampling_rate: with a number of Hz in codec_conf, found '${rate}'"
    if stage 2 codec "${codec}" "train the codec" --in "${datadir}" --in "${codec_config}" --opt "${codec_args}"; then
        # shellcheck disable=SC2086  # codec_args is a list of options
        run_training "${codec}" codec_ssl.bin.codec_train --config "${codec_config}" \
            --train_data_path_and_name_and_type "${datadir}/${train_set},audio,audio_${rate}" \
            --valid_data_path_and_name_and_type "${datadir}/${valid_set},audio,audio_${rate}" \
            --train_shape_file "${datadir}/${train_set}/utt2spk" --valid_shape_file "${datadir}/${valid_set}/utt2spk" \
            --use_preprocessor false ${codec_args}
        stage_done
    fi
    codec_in=(--in "${codec}")
else
    codec_in=(--opt "${codec}")
    if [ -e "${codec}" ]; then codec_in=(--in "${codec}"); fi
fi
name=$(codec_name_of "${codec}")
if [ "${name}" = codec ]; then name=$(experiment_of "${codec}/.."); fi  # trained by a recipe: its experiment tells it from others
code_dir=${dumpdir}/codes$(suffix "${name}")
feature_dir=${dumpdir}/features_${input}$(suffix "${name}")
label_dir=${dumpdir}/labels$(suffix "$(experiment_of "${expdir}")")  # of this experiment's k-means; codes serve all

for set in ${sets}; do
    if stage 3 stats "${expdir}/stats/${set}" "hours, lengths and unusable files of ${set}" --in "${datadir}" "${codec_in[@]}" --opt "${max_bad_rate}"; then
        ${cpu_cmd} "${expdir}/stats/${set}/stats.log" -- python -m codec_ssl.bin.audio_stats --data_dir "${datadir}/${set}" \
            --codec "${codec}" --max_bad_rate "${max_bad_rate}" --recipe "${recipe}" --out "${expdir}/stats/${set}"
        stage_done
    fi
done

for set in ${sets}; do
    if [ "${codes}" = store ] && stage 4 tokens "${code_dir}/${set}" "codes of ${set}" --in "${datadir}" "${codec_in[@]}" --opt "${set} ${max_bad_rate}"; then
        run_jobs "${code_dir}/logs/${set}" python -m codec_ssl.bin.extract_codes --codec "${codec}" --data_dir "${datadir}/${set}" \
            --store "${code_dir}/${set}" --max_bad_rate "${max_bad_rate}" --device "${device}"
        stage_done
    fi
done
# stores SET: the utterances of a set, where there are codes of it
stores() { if [ "${codes}" = store ]; then echo "${code_dir}/$1"; fi; }
of_codes=()
if [ "${codes}" = store ]; then of_codes=(--in "${code_dir}/${train_set}" --in "${code_dir}/${valid_set}"); fi

for set in ${sets}; do
    if [ "${features}" = cache ] && stage 5 features "${feature_dir}/${set}" "input features of ${set}" --in "${datadir}" "${codec_in[@]}" \
        "${of_codes[@]}" --opt "${input_conf}"; then
        store=$(stores "${set}")
        write=(python -m codec_ssl.bin.cache_features --train_config "${train_config}" --codec "${codec}" --data_dir "${datadir}/${set}"
            ${store:+--store "${store}"} --out "${feature_dir}/${set}")
        "${write[@]}" --plan_only true  # says how large it gets, and stops here where the disk has no room for it
        ${gpu_cmd} --gpu "${job_gpu}" --num_threads 1 "JOB=1:${nj}" "${feature_dir}/logs/${set}.JOB.log" -- \
            "${write[@]}" --num_jobs "${nj}" --job JOB --device "${device}"
        stage_done
    fi
done

train 6 pretrain "${expdir}/pretrain" "${train_config}" "" "${train_args}" "predict the codes of masked frames"
models=(--in "${expdir}/pretrain")

if [ "${selftrain}" = true ]; then
    teacher=${teacher:-${expdir}/pretrain}
    kmeans=${expdir}/kmeans
    store=$(stores "${train_set}")
    if stage 7 labels "${kmeans}" "k-means ${kmeans_clusters} on layer ${kmeans_layer:-L} of ${teacher}" --in "${teacher}" --in "${datadir}" \
        "${of_codes[@]}" --opt "${kmeans_clusters} ${kmeans_layer} ${kmeans_frames} ${kmeans_utterances}"; then
        ${gpu_cmd} --gpu "${job_gpu}" --num_threads "${OMP_NUM_THREADS}" "${kmeans}/fit.log" -- \
            python -m codec_ssl.bin.fit_kmeans --exp "${teacher}" ${kmeans_layer:+--layer "${kmeans_layer}"} --data_dir "${datadir}/${train_set}" \
            ${store:+--store "${store}"} --out "${kmeans}" --num_clusters "${kmeans_clusters}" --max_frames "${kmeans_frames}" \
            --max_utterances "${kmeans_utterances}" --device "${device}"
        stage_done
    fi
    for set in ${sets}; do
        store=$(stores "${set}")
        if stage 7 labels "${label_dir}/${set}" "labels of ${set}" --in "${kmeans}" --in "${teacher}" --in "${datadir}" "${of_codes[@]}"; then
            run_jobs "${label_dir}/logs/${set}" python -m codec_ssl.bin.extract_labels --kmeans "${kmeans}" --exp "${teacher}" \
                --data_dir "${datadir}/${set}" ${store:+--store "${store}"} --out "${label_dir}/${set}" --device "${device}"
            stage_done
        fi
    done
    train 8 selftrain "${expdir}/selftrain" "${selftrain_config}" "${label_dir}" "${train_args} ${selftrain_args}" "predict the labels" \
        --in "${expdir}/pretrain"
    models+=(--in "${expdir}/selftrain" --in "${label_dir}/${train_set}")
fi

used=""
if [ "${codes}" = store ]; then used=codes=${code_dir}/${train_set}; fi
if [ "${selftrain}" = true ]; then used=${used:+${used},}labels=${label_dir}/${train_set}; fi
if stage 9 report "${expdir}/report" "REPORT.md and plots" "${models[@]}" "${of_codes[@]}" --in "${expdir}/stats/${train_set}"; then
    python -m codec_ssl.bin.report --expdir "${expdir}" --stores "${used}" --title "EnCodecMAE: ${recipe}" --out "${expdir}/report"
    stage_done
    log "report: $(realpath "${expdir}")/report/REPORT.md"
fi
stages_end
