#!/usr/bin/env bash
# SUPERB's tasks for frozen encoders (arXiv 2105.01051): small networks on the weighted sum of their layers, one table.
# Called by egs2/<corpus>/superb1/run.sh, which sets the options below; see README.md beside this file.
#
# Stages: 1 data, 2 codes (where no encoder is given also the encoder), 3 features (with --features cache), 4 train, 5 evaluate, 6 report
set -euo pipefail
cd "$(dirname "$0")"
. ./path.sh
. ./cmd.sh

# options
stage=1              # first stage, by number or name
stop_stage=6         # last stage, by number or name
nj=1                 # parallel jobs: of codes and features; of a system's trainings, which share tasks, folds and learning rates
ngpu=0               # GPUs (0: CPU) of each job
datadir=data         # data dirs: <task>/train, valid and test, or <task>/fold1/train, ...
dumpdir=dump         # token stores, and features with --features cache
expdir=exp           # trained heads, scores, report
dry_run=false        # true: print the plan and run nothing
size=                # variant of the recipe: --size for local/data.sh and --ssl_recipe
audio_dir=           # a folder of audio to use in place of the recipe's corpora
manifest=            # its table (tab separated: utt_id, path, speaker, text, and the tasks' labels: command, emotion, ...)
audio_opts=          # more options for prepare_data folder, e.g. "--where corpus=fsdd"
local_data_opts=     # more options for local/data.sh, which also gets --tasks
tasks="pr asr ks qbe sid sv sd er ic sf"  # tasks to run
# Encoders
encoders=            # NAME=ENCODER,...: our experiments, conf/encoders names, hub ids, folders, or codes: those of --codec with embeddings
                     # that are learnt; empty: --ssl_recipe, if given, trains them
tokenizers=          # NAME=ENCODER+FOLDER,...: tokens of k-means, VQs or RepCodecs in FOLDER, fitted on ENCODER, with embeddings that are learnt
checkpoint=latest    # of experiment directories: latest, best or an epoch number
ssl_recipe=          # recipe that trains Codec2Vecs, such as ../ssl1/run.sh
ssl_exps=reconstruction=r0_reconstruction,clustering=r1_cluster  # NAME=FOLDER of its experiments, below its --expdir
ssl_args=            # more options for it
references="logmel codec untrained"  # yardsticks: log-mel, the codec's raw embeddings, the first experiment of --encoders untrained
                     # (untrained:1, untrained:2, ...: with other seeds)
codec=               # codec of encoders that read codes, and of the references (default: that of --ssl_recipe)
max_bad_rate=0.01    # largest share of unusable audio files before the stage codes fails
features=live        # live: the encoder runs in training; cache: all its layers are written to disk first, whose cost is told
# Downstream
backend=espnet       # espnet: s3prl's heads in ESPnet's trainer; s3prl: its own problems, as far as they run
lrs="1e-1 1e-2 1e-3 1e-4 1e-5"  # learning rates to try: the only thing that SUPERB lets a system tune
train_args=          # more options for every training, as for ESPnet's trainer
evaluate_args=       # more options of bin/superb_evaluate.py
# end options
. "${root}/utils/parse_options.sh"
. "${root}/utils/stages.sh"
. "${root}/utils/data_stage.sh"
. "${root}/utils/launch.sh"
. "${root}/utils/systems.sh"
. "${root}/utils/task_stores.sh"

# shellcheck disable=SC2034  # data_stage asks for it; phones come with the task's data
align=""
tasks=$(unique_words "${tasks//,/ }")
device=$([ "${ngpu}" -gt 0 ] && echo cuda || echo cpu)
# shellcheck disable=SC2034  # run_jobs asks for it
job_gpu=$([ "${ngpu}" -gt 0 ] && echo 1 || echo 0)
recipe=${PWD#"${root}/"}
case "${backend} ${features}" in
    "espnet live" | "espnet cache" | "s3prl live") ;;
    *) die "--backend is espnet or s3prl, --features live or cache, the latter with espnet: not '${backend}' and '${features}'" ;;
esac

# conf_of TASK: its training's options: the recipe's own, else the benchmark's
conf_of() { if [ -f "conf/train_$1.yaml" ]; then echo "conf/train_$1.yaml"; else echo "${root}/conf/superb/$1.yaml"; fi; }
# sets_of TASK: its data dirs, below the task's folder
sets_of() {
    local fold folds=()
    if [ "$1" = qbe ]; then echo "queries_valid queries_test docs" && return 0; fi
    for fold in "${datadir}/$1"/fold[0-9]*; do if [ -d "${fold}" ]; then folds+=("$(basename "${fold}")/"); fi; done
    for fold in "${folds[@]:-}"; do echo "${fold}train ${fold}valid ${fold}test"; done
}
for task in ${tasks}; do
    if [ "${task}" != qbe ] && [ ! -f "$(conf_of "${task}")" ]; then die "--tasks: there is no task ${task}"; fi
done

stages_begin "1 data" "2 codes" "3 features" "4 train" "5 evaluate" "6 report"
if [ -z "${audio_dir}" ]; then
    # shellcheck disable=SC2086  # tasks is a list
    task_data_stage 1 data ${tasks}
else
    data_stage 1 data
    for task in ${tasks}; do  # every task is of the same recordings; each takes its own labels
        if [ "${dry_run}" = true ]; then continue; fi
        mkdir -p "${datadir}/${task}"
        for set in train valid test; do ln -sfn "../${set}" "${datadir}/${task}/${set}"; done
    done
fi

made=()  # what every system depends on that came out of stage 2
if [ -z "${encoders}" ] && [ -n "${ssl_recipe}" ]; then
    made=(--in "${expdir}/encoder")
    if stage 2 codes "${expdir}/encoder" "train Codec2Vecs with ${ssl_recipe}" --in "${ssl_recipe}" --opt "${ssl_args} ${size}"; then
        # shellcheck disable=SC2086  # ssl_args is a list of options
        bash "${ssl_recipe}" --stop_stage online --nj "${nj}" --ngpu "${ngpu}" ${size:+--size "${size}"} --datadir "$(realpath -m "${dumpdir}/ssl1/data")" \
            --dumpdir "$(realpath -m "${dumpdir}/ssl1")" --expdir "$(realpath -m "${expdir}/ssl1")" ${ssl_args}
        stage_done
    fi
    for each in ${ssl_exps//,/ }; do encoders+="${encoders:+,}${each%%=*}=${expdir}/ssl1/${each#*=}"; done
    codec=${codec:-${expdir}/ssl1/codec}
fi

# Of each system: its name, where it is, whether it takes codes, what it depends on, how it is loaded, a tokenizer behind it
systems=() specs=() coded=() inputs=() options=() behind=()
add_system() { systems+=("$1") specs+=("$2") coded+=("$3") inputs+=("$4") options+=("$5") behind+=("${6:-}"); }
IFS=, read -ra given <<<"${encoders}"
for each in "${given[@]}"; do
    spec=${each#*=}
    add_system "${each%%=*}" "${spec}" "$(takes_codes "${spec}")" "$([ "${spec}" = codes ] && echo "${codec}" || echo "${spec}")" "--checkpoint ${checkpoint}"
done
IFS=, read -ra fitted <<<"${tokenizers}"
for each in "${fitted[@]}"; do
    spec=${each#*=}
    [[ ${each} == *=*+* ]] || die "--tokenizers: expected NAME=ENCODER+FOLDER, found '${each}'"
    add_system "${each%%=*}" "${spec%+*}" "$(takes_codes "${spec%+*}")" "${spec%+*}" "--checkpoint ${checkpoint}" "${spec##*+}"
done
if [ "${features}" = cache ] && [[ -n "${tokenizers}" || " ${specs[*]} " == *" codes "* ]]; then
    die "--features cache: embeddings of tokens and codes are learnt anew in each training: take --features live"
fi
for reference in ${references//,/ }; do
    case ${reference} in
        logmel) add_system log-mel logmel "$([ -n "${codec}" ] && echo yes || echo no)" "" "--role baseline" ;;
        codec)
            if [ -z "${codec}" ]; then die "--references codec: say which --codec"; fi
            add_system "codec embeddings" codec yes "${codec}" "--role baseline" ;;
        untrained|untrained:*)
            if [ "${#given[@]}" -eq 0 ]; then die "--references untrained: say which --encoders"; fi
            fresh=$(first_experiment "${given[@]}")
            seed=$(seed_of "${reference}")
            add_system "untrained${seed:+ ${seed}}" "${fresh}" "$(takes_codes "${fresh}")" "${fresh}" "--untrained_seed ${seed:-0} --role baseline" ;;
        *) die "--references: there are logmel, codec, untrained and untrained:SEED, not '${reference}'" ;;
    esac
done

# s3prl's problems take waveforms, whose codes and tokens superb_s3prl keeps.
stored_tasks=${tasks} codes=""
if [ "${backend}" = s3prl ]; then stored_tasks=$([[ " ${tasks} " != *" qbe "* ]] || echo qbe); fi
if [[ -n "${stored_tasks}" && " ${coded[*]} " == *" yes "* ]]; then
    if [ -z "${codec}" ]; then die "an encoder takes codes: say which --codec"; fi
    codes=${dumpdir}/codes_$(codec_name_of "${codec}")
    if [ -e "${codec}" ] || [ "${#made[@]}" -gt 0 ]; then codec_inputs=("${made[@]}" --in "${codec}"); else codec_inputs=(--opt "${codec}"); fi
    make_stores "${codes}" codes "${codec_inputs[@]}" --opt "${max_bad_rate}" -- python -m codec_ssl.bin.extract_codes --codec "${codec}" \
        --data_dir "${datadir}/{set}" --store "${codes}/{set}" --max_bad_rate "${max_bad_rate}" --device "${device}"
fi

# stage_args TASK: what a task's training of the system at hand depends on
stage_args() {
    local task=$1 set config
    stage_arguments=("${depends[@]}")
    for set in $(sets_of "${task}"); do
        stage_arguments+=(--in "${datadir}/${task}/${set}")
        if [[ -n "${stores}" && " ${stored_tasks} " == *" ${task} "* ]]; then stage_arguments+=(--in "${stores}/${task}/${set}"); fi
        if [ -n "${layers}" ]; then stage_arguments+=(--in "${layers}/${task}/${set}"); fi
    done
    config=$(conf_of "${task}")
    if [ -f "${config}" ]; then stage_arguments+=(--opt "$(grep -v '^max_epoch' "${config}")" --extent "$(grep '^max_epoch' "${config}")"); fi
    stage_arguments+=(--opt "${backend} ${train_args}" --extent "${lrs}")
}

# score_args TASK: what its scores depend on
score_args() {
    if [ "$1" = qbe ]; then stage_args qbe; else stage_arguments=(--in "${exp}/$1" --in "${datadir}/$1" --opt "${lrs}"); fi
    stage_arguments+=(--opt "${evaluate_args}")
}

scored=()
for place in "${!systems[@]}"; do
    system=${systems[${place}]} folder=${systems[${place}]// /_} stores="" layers=""
    depends=("${made[@]}" --opt "${options[${place}]}")
    # A file or folder counts by its content, wherever it is called from.
    if [ -e "${inputs[${place}]}" ]; then depends+=(--in "${inputs[${place}]}"); else depends+=(--opt "${inputs[${place}]}"); fi
    role=$(grep -o -e '--role [a-z]*' <<<"${options[${place}]}" || true)
    # shellcheck disable=SC2206  # a list of options
    how=(--encoder "${specs[${place}]}" ${options[${place}]/--role baseline/})
    if [ "${coded[${place}]}" = yes ]; then stores=${codes}; fi
    if [ -n "${behind[${place}]}" ]; then
        depends+=(--in "${behind[${place}]}")
        how+=(--tokenizer "${behind[${place}]}")
        make_stores "${dumpdir}/tokens_${folder}" "${system}: tokens" "${depends[@]}" ${stores:+--in "${stores}/{set}"} -- \
            python -m codec_ssl.bin.extract_labels "${how[@]}" --data_dir "${datadir}/{set}" ${stores:+--store "${stores}/{set}"} \
            --out "${dumpdir}/tokens_${folder}/{set}" --name "${folder}" --device "${device}"
        stores=${dumpdir}/tokens_${folder}
    fi
    if [ "${features}" = cache ]; then
        layers=${dumpdir}/layers/${folder}
        # shellcheck disable=SC2086  # tasks is a list
        for set in $(distinct_sets "${layers}" ${tasks/qbe/}); do
            data=${datadir}/${set}
            if stage 3 features "${layers}/${set}" "${system}: all layers of ${set}" "${depends[@]}" --in "${data}" ${stores:+--in "${stores}/${set}"}; then
                cache=("${how[@]}" --all_layers true --data_dir "${data}" ${stores:+--store "${stores}/${set}"} --out "${layers}/${set}" --device "${device}")
                python -m codec_ssl.bin.cache_features "${cache[@]}" --plan_only true
                ${gpu_cmd} --gpu "${job_gpu}" --num_threads "${OMP_NUM_THREADS}" "JOB=1:${nj}" "${layers}/logs/${set%%/*}/$(tr / _ <<<"${set#*/}").JOB.log" -- \
                    python -m codec_ssl.bin.cache_features "${cache[@]}" --num_jobs "${nj}" --job JOB
                stage_done
            fi
        done
    fi

    exp=${expdir}/superb/${folder} out=${expdir}/scores/${folder} pending=() configs=""
    # shellcheck disable=SC2206  # lists of options
    s3prl=(python -m codec_ssl.bin.superb_s3prl "${how[@]}" ${codec:+--codec "${codec}"} --cache "${dumpdir}/by_content" --datadir "${datadir}" --exp "${exp}"
           --lrs ${lrs} --device "${device}" ${train_args:+--conf ${train_args}})
    common=("${how[@]}" --datadir "${datadir}" ${stores:+--codes "${stores}"} ${layers:+--layers "${layers}"} --exp "${exp}")
    for task in ${tasks}; do
        if [ "${task}" = qbe ]; then continue; fi  # nothing is trained
        stage_args "${task}"
        if stage 4 train "${exp}/${task}" "${system}: ${task}" "${stage_arguments[@]}"; then
            pending+=("${task}") configs+="${configs:+,}${task}=$(conf_of "${task}")"
        fi
    done
    if [ "${#pending[@]}" -gt 0 ]; then
        # shellcheck disable=SC2086  # lists
        if [ "${backend}" = espnet ]; then
            ${gpu_cmd} --gpu "${ngpu}" --num_threads "${OMP_NUM_THREADS}" "JOB=1:${nj}" "${exp}/logs/train.JOB.log" -- \
                python -m codec_ssl.bin.superb_train "${common[@]}" --configs "${configs}" --lrs ${lrs} --ngpu "${ngpu}" --num_jobs "${nj}" --job JOB ${train_args}
        else
            ${gpu_cmd} --gpu "${job_gpu}" --num_threads "${OMP_NUM_THREADS}" "JOB=1:${nj}" "${exp}/logs/train.JOB.log" -- "${s3prl[@]}" --tasks "${pending[@]}" --num_jobs "${nj}" --job JOB
        fi
        for task in "${pending[@]}"; do stage_args "${task}" && stage_done "${exp}/${task}" "${stage_arguments[@]}"; done
    fi

    pending=()
    for task in ${tasks}; do
        score_args "${task}"
        if stage 5 evaluate "${out}/${task}" "${system}: ${task}" "${stage_arguments[@]}"; then pending+=("${task}"); fi
        scored+=(--in "${out}/${task}")
    done
    if [ "${#pending[@]}" -gt 0 ]; then
        # shellcheck disable=SC2206  # lists of options
        result=(--system "${system}" ${role} --recipe "${recipe}" --out "${out}" --device "${device}") scorer=(${gpu_cmd} --gpu "${job_gpu}" --num_threads "${OMP_NUM_THREADS}")
        if [[ " ${pending[*]} " == *" qbe "* ]]; then
            "${scorer[@]}" "${out}/query.log" -- python -m codec_ssl.bin.superb_query "${how[@]}" --datadir "${datadir}" ${stores:+--codes "${stores}"} "${result[@]}"
        fi
        trained=$(unique_words "${pending[*]/#qbe/}")
        # shellcheck disable=SC2086  # lists
        if [ -n "${trained}" ] && [ "${backend}" = s3prl ]; then
            "${scorer[@]}" "${out}/evaluate.log" -- "${s3prl[@]}" --tasks ${trained} "${result[@]}"
        elif [ -n "${trained}" ]; then
            "${scorer[@]}" "${out}/evaluate.log" -- python -m codec_ssl.bin.superb_evaluate "${common[@]}" --tasks ${trained} --lrs ${lrs} "${result[@]}" ${evaluate_args}
        fi
        for task in "${pending[@]}"; do score_args "${task}" && stage_done "${out}/${task}" "${stage_arguments[@]}"; done
    fi
done

report_stage 6 SUPERB "${expdir}/scores"
stages_end
