#!/usr/bin/env bash
# Tokenizers of speech representations: k-means, VQ and RepCodec on one layer of a speech encoder, tokens, and their quality.
# Called by egs2/<corpus>/tok1/run.sh, which sets the options below; see README.md beside this file.
#
# Stages: 1 data, 2 encoder (only where none is given), 3 cache, 4 train, 5 tokens, 6 quality, 7 report
set -euo pipefail
cd "$(dirname "$0")"
. ./path.sh
. ./cmd.sh

# options
stage=1              # first stage, by number or name
stop_stage=7         # last stage, by number or name
nj=1                 # parallel jobs of features and tokens
ngpu=0               # GPUs of one training (0: CPU); several are used through torch.distributed
num_nodes=1          # nodes of one training (more than 1 needs CMD_BACKEND=slurm)
datadir=data         # data dirs
dumpdir=dump         # token stores, and features if they are cached
expdir=exp           # trained tokenizers, quality, report
dry_run=false        # true: print the plan and run nothing
size=                # variant of the recipe: configs of conf/<size>, and --size for local/data.sh
audio_dir=           # a folder of audio to use in place of the recipe's corpus
manifest=            # its table (tab separated: utt_id, path, speaker, text, any label)
audio_opts=          # more options for prepare_data folder, e.g. "--where corpus=fsdd,librispeech"
align=               # a language such as en: align the phones of transcribed audio that has no phones.ctm
local_data_opts=     # more options for local/data.sh
train_set=train      # data dir to train on
valid_set=valid      # data dir for validation
token_sets=          # data dirs to make tokens of (default: train, valid and eval sets)
eval_sets="test"     # data dirs to score tokens on; with phones.ctm also against phones
# Features
encoder=             # a name of conf/encoders, a hub id or folder of transformers, an experiment directory of ours, codec or
                     # logmel; empty: a Codec2Vec of round 0 that ../ssl1 trains here first
ssl_args=            # more options for that, as for ssl.sh
codes=               # folder of the sets' token stores, for encoders that read codes
layer=               # layer of the encoder, 1-based (0: input to the first layer; default: that of conf/encoders)
layer_weights=       # in place of a layer: weights of all, a file or a list such as 0,0.5,0.5
cache=false          # true: features on disk before training; false: made on the way
# Tokenizers
tokenizers=kmeans,vq,repcodec  # kmeans, kmeans_sklearn (kmeans_512: of so many clusters), or X with a train_X.yaml in conf
num_clusters=        # entries of each codebook (default: 1024 for k-means, the config's for others)
kmeans_frames=2000000  # frames in the seeded sample that k-means is fitted on
train_args=          # more options for every training, as for ESPnet's trainer
curve_epochs=        # epochs whose tokens are scored too, e.g. "1 5 20": tokenizers X@1, X@5, ...
quality_args=        # more options for bin/evaluate_tokens.py
# end options
. "${root}/utils/parse_options.sh"
. "${root}/utils/stages.sh"
. "${root}/utils/data_stage.sh"
. "${root}/utils/launch.sh"

device=$([ "${ngpu}" -gt 0 ] && echo cuda || echo cpu)
job_gpu=$([ "${ngpu}" -gt 0 ] && echo 1 || echo 0)  # of one extraction job
recipe=${PWD#"${root}/"}
# an audio folder becomes train, valid and test, whatever the corpus's sets are called
if [ -n "${audio_dir}" ]; then train_set=train valid_set=valid token_sets="" eval_sets=test; fi
# every set once, in a fixed order
sets=$(unique_words "${train_set} ${valid_set} ${token_sets} ${eval_sets}")
token_sets=$(unique_words "${token_sets:-${sets}} ${eval_sets}")

stages_begin "1 data" "2 encoder" "3 cache" "4 train" "5 tokens" "6 quality" "7 report"
# shellcheck disable=SC2086  # sets is a list
data_stage 1 data ${sets}

encoder_inputs=()
if [ -z "${encoder}" ]; then
    [ -e ../ssl1/run.sh ] || die "say which --encoder: there is no ../ssl1 to train one with"
    encoder=${expdir}/ssl1/r0_reconstruction
    codes=${dumpdir}/codes
    if [[ ${ssl_args} =~ --codec[\ =]([^\ ]+) ]]; then  # ssl.sh names them so
        codes=${dumpdir}/codes_$(codec_name_of "${BASH_REMATCH[1]}")
    fi
    ssl1() {
        # shellcheck disable=SC2086  # ssl_args is a list of options
        bash ../ssl1/run.sh --stage codec --rounds 0 --nj "${nj}" --ngpu "${ngpu}" ${size:+--size "${size}"} \
            --datadir "$(realpath -m "${datadir}")" --dumpdir "$(realpath -m "${dumpdir}")" --expdir "$(realpath -m "${expdir}/ssl1")" \
            --train_set "${train_set}" --valid_set "${valid_set}" --probe_sets "${sets}" ${ssl_args} "$@"
    }
    if stage 2 encoder "${expdir}/encoder" "train a Codec2Vec" --in "${datadir}" --opt "${ssl_args} ${size}"; then
        ssl1 --stop_stage pretrain
        stage_done
    fi
    # of their own, so that a set that comes later gets codes without another training
    if stage 2 encoder "${dumpdir}/encoder_codes" "codes of ${sets}" --in "${expdir}/encoder" --opt "${sets}"; then
        ssl1 --stop_stage tokens
        stage_done
    fi
    encoder_inputs=(--in "${expdir}/encoder" --in "${dumpdir}/encoder_codes")
elif [ -e "${encoder}" ]; then
    encoder_inputs=(--in "${encoder}")
fi
if [ -n "${layer_weights}" ]; then
    layer=""
elif [ -z "${layer}" ] && [ -f "${root}/conf/encoders/${encoder}.yaml" ]; then
    layer=$(awk '$1 == "layer:" { print $2 }' "${root}/conf/encoders/${encoder}.yaml")
fi
features=$(basename "${encoder}")$([ -n "${layer_weights}" ] && echo _mix || echo "_l${layer:?say which --layer}")
exp=${expdir}/${features}
dump=${dumpdir}/${features}
layer_args=(${layer:+--layer "${layer}"} ${layer_weights:+--layer_weights "${layer_weights}"})
# A file or folder counts by its content, wherever it is called from.
encoder_opts=(--opt "$([ -e "${encoder}" ] || echo "${encoder} ")${layer} $([ -f "${layer_weights}" ] || echo "${layer_weights}")")
if [ -f "${layer_weights}" ]; then encoder_opts+=(--in "${layer_weights}"); fi
# What every command that makes features of a set takes.
features_of() { enc=(--encoder "${encoder}" "${layer_args[@]}" --data_dir "${datadir}/$1" ${codes:+--store "${codes}/$1"} --device "${device}"); }

data_args=() data_inputs=()
for split in train valid; do
    set=$([ "${split}" = train ] && echo "${train_set}" || echo "${valid_set}")
    if [ "${cache}" = true ]; then
        out=${dump}/features/${set}
        if stage 3 cache "${out}" "features of ${set}" --in "${datadir}" "${encoder_inputs[@]}" "${encoder_opts[@]}"; then
            features_of "${set}"
            write=(python -m codec_ssl.bin.cache_features "${enc[@]}" --out "${out}" --num_jobs "${nj}")
            ${gpu_cmd} --gpu "${job_gpu}" --num_threads 1 "JOB=1:${nj}" "${dump}/logs/features_${set}.JOB.log" -- "${write[@]}" --job JOB
            stage_done
        fi
        data_args+=("--${split}_data_path_and_name_and_type" "${out},features,feature_cache")
        data_inputs+=(--in "${out}")
    else
        data_args+=("--${split}_data_path_and_name_and_type" "${datadir}/${set},audio,data_dir")
        if [ -n "${codes}" ]; then data_args+=("--${split}_data_path_and_name_and_type" "${codes}/${set},codes,token_store"); fi
    fi
done
if [ "${cache}" != true ]; then
    data_inputs=(--in "${datadir}" "${encoder_inputs[@]}")
    data_args+=(--feature_encoder "${encoder}" ${layer:+--feature_layer "${layer}"} ${layer_weights:+--feature_layer_weights "${layer_weights}"})
fi

made=() made_inputs=()  # NAME=FOLDER of every tokenizer
for name in ${tokenizers//,/ }; do
    out=${exp}/${name}
    if [ "${name#kmeans}" != "${name}" ]; then
        clusters=${num_clusters:-1024}
        if [[ ${name} =~ _([0-9]+)$ ]]; then clusters=${BASH_REMATCH[1]}; fi
        backend=$([ "${name#kmeans_sklearn}" != "${name}" ] && echo sklearn || echo faiss)
        if stage 4 train "${out}" "fit k-means" --in "${datadir}" "${encoder_inputs[@]}" "${encoder_opts[@]}" --opt "${clusters} ${kmeans_frames}"; then
            features_of "${train_set}"
            ${gpu_cmd} --gpu "${job_gpu}" --num_threads "${OMP_NUM_THREADS}" "${out}/fit.log" -- python -m codec_ssl.bin.fit_kmeans \
                "${enc[@]}" --backend "${backend}" --num_clusters "${clusters}" --max_frames "${kmeans_frames}" --out "${out}"
            stage_done
        fi
        made+=("${name}=${out}")
    else
        for config in "conf/${size:-.}/train_${name}.yaml" "conf/train_${name}.yaml" "conf/tuning/train_${name}.yaml"; do
            if [ -f "${config}" ]; then break; fi
        done
        [ -f "${config}" ] || die "--tokenizers ${name}: there is no conf/train_${name}.yaml, nor in conf/tuning"
        if stage 4 train "${out}" "train the tokenizer" "${data_inputs[@]}" "${encoder_opts[@]}" --opt "$(grep -v '^max_epoch' "${config}")" \
            --opt "${num_clusters} ${train_args}" --extent "$(grep '^max_epoch' "${config}")"; then
            # shellcheck disable=SC2086  # train_args is a list of options
            run_training "${out}" codec_ssl.bin.train_tokenizer --config "${config}" "${data_args[@]}" \
                ${num_clusters:+--tokenizer_conf "num_clusters=${num_clusters}"} \
                ${curve_epochs:+--keep_nbest_models 100000} ${train_args}  # all epochs are kept for the curve
            stage_done
        fi
        made+=("${name}=${out}/tokenizer")
        last=$(awk '$1 == "max_epoch:" { print $2 }' "${config}")
        if [[ ${train_args} =~ --max_epoch[\ =]([0-9]+) ]]; then last=${BASH_REMATCH[1]}; fi
        for epoch in ${curve_epochs}; do
            if [ "${epoch}" -gt "${last}" ]; then continue; fi
            if stage 4 train "${out}@${epoch}" "${name} as it was after epoch ${epoch}" --in "${out}"; then
                [ -f "${out}/${epoch}epoch.pth" ] || die "${out} kept only its best epochs: it was trained without --curve_epochs; move it away and train again"
                python -m codec_ssl.bin.export_tokenizer --exp "${out}" --checkpoint "${epoch}" --out "${out}@${epoch}"
                stage_done
            fi
            made+=("${name}@${epoch}=${out}@${epoch}")
        done
    fi
done
for each in "${made[@]}"; do
    folder=${each#*=}
    made_inputs+=(--in "${folder%/tokenizer}")
    wanted=${token_sets}
    if [[ ${each%%=*} = *@* ]]; then wanted=${eval_sets}; fi  # a point of a curve is only scored
    for set in ${wanted}; do
        out=${dump}/${each%%=*}/${set}
        if stage 5 tokens "${out}" "tokens of ${set}" --in "${folder%/tokenizer}" --in "${datadir}" "${encoder_inputs[@]}" "${encoder_opts[@]}"; then
            features_of "${set}"
            run_jobs "${dump}/${each%%=*}/logs/${set}" \
                python -m codec_ssl.bin.extract_labels --tokenizer "${folder}" "${enc[@]}" --name "${each%%=*}" --out "${out}"
            stage_done
        fi
    done
done

scored=()
for set in ${eval_sets}; do
    stores=() stores_in=()
    for each in "${made[@]}"; do
        stores+=("${each%%=*}=${dump}/${each%%=*}/${set}")
        stores_in+=(--in "${dump}/${each%%=*}/${set}")
    done
    if stage 6 quality "${exp}/quality/${set}" "quality of the tokens of ${set}" "${made_inputs[@]}" "${stores_in[@]}" "${encoder_opts[@]}" --opt "${quality_args}"; then
        features_of "${set}"
        # shellcheck disable=SC2086  # quality_args is a list of options
        ${gpu_cmd} --gpu "${job_gpu}" --num_threads "${OMP_NUM_THREADS}" "${exp}/quality/${set}/evaluate.log" -- \
            python -m codec_ssl.bin.evaluate_tokens "${enc[@]}" --stores "${stores[@]}" --tokenizers "${made[@]}" \
            --recipe "${recipe}" --out "${exp}/quality/${set}" ${quality_args}
        stage_done
    fi
    scored+=(--in "${exp}/quality/${set}")
done

used=${dump}/${made[0]%%=*}/${token_sets%% *}
if stage 7 report "${exp}/report" "REPORT.md and plots" "${scored[@]}" --in "${used}"; then
    python -m codec_ssl.bin.report --expdir "${exp}" --stores "${made[0]%%=*}=${used}" \
        --title "Tokenizers of ${features}: ${recipe}" --out "${exp}/report"
    stage_done
    log "report: $(realpath "${exp}")/report/REPORT.md"
fi
stages_end
