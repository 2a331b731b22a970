#!/usr/bin/env bash
# Codec2Vec from a corpus to a probed model: masked prediction on pre-computed codec units.
# Called by egs2/<corpus>/ssl1/run.sh, which sets the options below; see README.md beside this file.
#
# Stages: 1 data, 2 codec, 3 tokens, 4 check, 5 pretrain, 6 labels (k-means rounds), 7 online, 8 probe, 9 report
set -euo pipefail
cd "$(dirname "$0")"
. ./path.sh
. ./cmd.sh

# options
stage=1              # first stage, by number or name
stop_stage=9         # last stage, by number or name
nj=2                 # parallel jobs of token and label extraction
ngpu=0               # GPUs of one training (0: CPU); several are used through torch.distributed
num_nodes=1          # nodes of one training (more than 1 needs CMD_BACKEND=slurm)
datadir=data         # data dirs
dumpdir=dump         # token stores: codes and labels
expdir=exp           # trained models, probes, report
dry_run=false        # true: print the plan and run nothing
size=                # variant of the recipe: configs of conf/<size>, and --size for local/data.sh
audio_dir=           # a folder of audio to use in place of the recipe's corpus
manifest=            # its table (tab separated: utt_id, path, speaker, text, any label)
audio_opts=          # more options for prepare_data folder, e.g. "--where corpus=fsdd,librispeech"
align=               # a language such as en: align the phones of transcribed audio that has no phones.ctm
local_data_opts=     # more options for local/data.sh
train_set=train      # data dir to train on
valid_set=valid      # data dir for validation
test_set="test"      # data dir for the probes' test scores
max_bad_rate=0.01    # largest share of unusable audio files before a stage fails
codec=               # codec name of conf/codecs, checkpoint or exp dir; empty: train conf/train_codec.yaml
codec_args=          # more options for the codec's training, as for ESPnet's trainer
train_config=        # round 0 config (default: conf/train_codec2vec_reconstruction.yaml)
cluster_config=      # config of the k-means rounds (default: conf/train_codec2vec_cluster.yaml)
online_config=       # config of online clustering (default: conf/train_codec2vec_online.yaml)
train_args=          # more options for every training, as for ESPnet's trainer
pretrain=true        # false: no round 0 (with external labels or online clustering only)
rounds=1             # k-means rounds after round 0
kmeans_clusters=500  # clusters
kmeans_layer=9       # layer whose features are clustered, 1-based
kmeans_center=false  # true: take each utterance's mean off its frames before they are clustered
kmeans_frames=2000000  # frames in the seeded sample that k-means is fitted on
external_labels=     # folder of label stores {train,valid} made elsewhere (bin/tokens.py import): trains on them
online=false         # true: also train with online clustering
probe_sets=          # data dirs for the probes as "train valid test" (default: the three sets)
probe_tasks=phone,speaker  # comma-separated; phone needs phones.ctm, any other X needs utt2X
probe_args=          # more options for bin/probe.py
# end options
. "${root}/utils/parse_options.sh"
. "${root}/utils/stages.sh"
. "${root}/utils/data_stage.sh"
. "${root}/utils/launch.sh"

conf() {  # the variant's config where there is one
    if [ -n "${size}" ] && [ -f "conf/${size}/$1" ]; then echo "conf/${size}/$1"; else echo "conf/$1"; fi
}
train_config=${train_config:-$(conf train_codec2vec_reconstruction.yaml)}
cluster_config=${cluster_config:-$(conf train_codec2vec_cluster.yaml)}
online_config=${online_config:-$(conf train_codec2vec_online.yaml)}
probe_sets=${probe_sets:-${train_set} ${valid_set} ${test_set}}
read -r probe_train probe_valid probe_test <<<"${probe_sets}"
# every set once, in a fixed order
sets=$(unique_words "${train_set} ${valid_set} ${probe_sets}")
dist_args=(--ngpu "${ngpu}" --multiprocessing_distributed
           "$([ "${ngpu}" -gt 1 ] || [ "${num_nodes}" -gt 1 ] && echo true || echo false)")
recipe=${PWD#"${root}/"}
device=$([ "${ngpu}" -gt 0 ] && echo cuda || echo cpu)
job_gpu=$([ "${ngpu}" -gt 0 ] && echo 1 || echo 0)  # of one extraction or probing job

# train NUMBER NAME EXP CONFIG LABELS DESCRIPTION: one Codec2Vec training; LABELS may be empty
train() {
    local number=$1 name=$2 exp=$3 config=$4 labels=$5 what=$6 data=() split set
    if ! stage "${number}" "${name}" "${exp}" "${what}" --in "${codes}/${train_set}" --in "${codes}/${valid_set}" \
        ${labels:+--in "${labels}/${train_set}" --in "${labels}/${valid_set}"} \
        --opt "$(grep -v '^max_epoch' "${config}")" --opt "${train_args}" --extent "$(grep '^max_epoch' "${config}")"; then
        return 0
    fi
    for split in train valid; do
        set=$([ "${split}" = train ] && echo "${train_set}" || echo "${valid_set}")
        data+=("--${split}_data_path_and_name_and_type" "${codes}/${set},codes,token_store")
        if [ -n "${labels}" ]; then
            data+=("--${split}_data_path_and_name_and_type" "${labels}/${set},labels,token_store")
        fi
    done
    # shellcheck disable=SC2086  # train_args is a list of options
    run_training "${exp}" codec_ssl.bin.codec2vec_train --config "${config}" "${data[@]}" ${train_args}
    stage_done
}

stages_begin "1 data" "2 codec" "3 tokens" "4 check" "5 pretrain" "6 labels" "7 online" "8 probe" "9 report"

# shellcheck disable=SC2086  # sets is a list
data_stage 1 data ${sets}

if [ -z "${codec}" ]; then
    codec=${expdir}/codec
    codec_config=$(conf train_codec.yaml)
    if stage 2 codec "${codec}" "train the codec" --in "${datadir}" --in "${codec_config}" --opt "${codec_args}"; then
        rate=$(awk '$1 == "sampling_rate:" { print $2; exit }' "${codec_config}")
        # shellcheck disable=SC2086  # codec_args is a list of options
        ${gpu_cmd} --gpu "${ngpu}" --num_threads "${OMP_NUM_THREADS}" "${codec}/train.cmd.log" -- \
            python -m codec_ssl.bin.codec_train --config "${codec_config}" --output_dir "${codec}" \
            --train_data_path_and_name_and_type "${datadir}/${train_set},audio,audio_${rate}" \
            --valid_data_path_and_name_and_type "${datadir}/${valid_set},audio,audio_${rate}" \
            --train_shape_file "${datadir}/${train_set}/utt2spk" --valid_shape_file "${datadir}/${valid_set}/utt2spk" \
            --use_preprocessor false "${dist_args[@]}" ${codec_args}
        stage_done
    fi
    codes=${dumpdir}/codes
    codec_inputs=(--in "${codec}")
else
    codes=${dumpdir}/codes_$(codec_name_of "${codec}")
    codec_inputs=(--opt "${codec}")
    if [ -e "${codec}" ]; then codec_inputs=(--in "${codec}"); fi
fi

for set in ${sets}; do
    if stage 3 tokens "${codes}/${set}" "codes of ${set}" --in "${datadir}" "${codec_inputs[@]}" --opt "${set} ${max_bad_rate}"; then
        run_jobs "${codes}/logs/${set}" python -m codec_ssl.bin.extract_codes --codec "${codec}" --data_dir "${datadir}/${set}" \
            --store "${codes}/${set}" --max_bad_rate "${max_bad_rate}" --device "${device}"
        stage_done
    fi
done

if stage 4 check "${expdir}/check" "check and describe the codes" --in "${codes}/${train_set}" --in "${codes}/${valid_set}"; then
    python -m codec_ssl.bin.tokens check "${codes}/${train_set}" --valid "${codes}/${valid_set}"
    python -m codec_ssl.bin.tokens info "${codes}/${train_set}" | tee "${expdir}/check/codes.txt"
    stage_done
fi

models=() center=()
if [ "${kmeans_center}" = true ]; then center=(--center true); fi
if [ "${pretrain}" = true ]; then
    train 5 pretrain "${expdir}/r0_reconstruction" "${train_config}" "" "round 0: predict the codes themselves"
    models+=("reconstruction=${expdir}/r0_reconstruction")
    teacher=${expdir}/r0_reconstruction
    for round in $(seq 1 "${rounds}"); do
        kmeans=${expdir}/r${round}_kmeans
        labels=${dumpdir}/labels_r${round}
        if stage 6 labels "${kmeans}" "round ${round}: k-means ${kmeans_clusters} on layer ${kmeans_layer} of ${teacher}" \
            --in "${teacher}" --in "${codes}/${train_set}" --opt "${kmeans_clusters} ${kmeans_layer} ${kmeans_frames}${center[*]:+ centered}"; then
            ${gpu_cmd} --gpu "${job_gpu}" --num_threads "${OMP_NUM_THREADS}" "${kmeans}/fit.log" -- \
                python -m codec_ssl.bin.fit_kmeans --exp "${teacher}" --layer "${kmeans_layer}" --store "${codes}/${train_set}" \
                --out "${kmeans}" --num_clusters "${kmeans_clusters}" --max_frames "${kmeans_frames}" "${center[@]}" --device "${device}"
            stage_done
        fi
        for set in "${train_set}" "${valid_set}"; do
            if stage 6 labels "${labels}/${set}" "round ${round}: labels of ${set}" --in "${kmeans}" --in "${codes}/${set}"; then
                run_jobs "${labels}/logs/${set}" python -m codec_ssl.bin.extract_labels --kmeans "${kmeans}" --exp "${teacher}" \
                    --layer "${kmeans_layer}" --store "${codes}/${set}" --out "${labels}/${set}" --device "${device}"
                stage_done
            fi
        done
        train 6 labels "${expdir}/r${round}_cluster" "${cluster_config}" "${labels}" "round ${round}: predict the clusters"
        models+=("cluster_r${round}=${expdir}/r${round}_cluster")
        teacher=${expdir}/r${round}_cluster
    done
fi

if [ -n "${external_labels}" ]; then
    train 6 labels "${expdir}/external_cluster" "${cluster_config}" "${external_labels}" "predict the external labels"
    models+=("external=${expdir}/external_cluster")
fi

if [ "${online}" = true ]; then
    train 7 online "${expdir}/online" "${online_config}" "" "predict a moving teacher's online clusters"
    models+=("online=${expdir}/online")
fi

exp_args=() exp_inputs=()
for model in "${models[@]}"; do
    exp_args+=(--exp "${model}")
    exp_inputs+=(--in "${model#*=}")
done
three() { echo "train=$1/${probe_train},valid=$1/${probe_valid},test=$1/${probe_test}"; }
if stage 8 probe "${expdir}/probe" "linear probes and clustering, layer by layer" "${exp_inputs[@]}" --in "${datadir}" \
    --in "${codes}/${probe_test}" --opt "${probe_sets} ${probe_tasks} ${probe_args}"; then
    # shellcheck disable=SC2086  # probe_args is a list of options
    ${gpu_cmd} --gpu "${job_gpu}" --num_threads "${OMP_NUM_THREADS}" "${expdir}/probe/probe.log" -- \
        python -m codec_ssl.bin.probe "${exp_args[@]}" --stores "$(three "${codes}")" --data_dirs "$(three "${datadir}")" \
        --tasks "${probe_tasks}" --recipe "${recipe}" --out "${expdir}/probe" --device "${device}" ${probe_args}
    stage_done
fi

if stage 9 report "${expdir}/report" "REPORT.md and plots" --in "${expdir}/probe" "${exp_inputs[@]}" --in "${codes}/${train_set}"; then
    python -m codec_ssl.bin.report --expdir "${expdir}" --stores "codes=${codes}/${train_set}" \
        --title "Codec2Vec: ${recipe}" --out "${expdir}/report"
    stage_done
    log "report: $(realpath "${expdir}")/report/REPORT.md"
fi
stages_end
