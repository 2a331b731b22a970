#!/usr/bin/env bash
# HEAR's tasks for frozen encoders (EnCodecMAE, arXiv 2309.07391): scene embeddings, small networks on them, one table.
# Called by egs2/<corpus>/hear1/run.sh, which sets the options below; see README.md beside this file.
#
# Stages: 1 data, 2 encoder (only where none is given), 3 embed (only with several jobs; else 4 does it), 4 evaluate, 5 report
set -euo pipefail
cd "$(dirname "$0")"
. ./path.sh
. ./cmd.sh

# options
stage=1              # first stage, by number or name
stop_stage=5         # last stage, by number or name
nj=1                 # parallel jobs of embeddings; with 1 the evaluation makes them
ngpu=0               # GPUs (0: CPU): one for each job of embeddings and for the networks, all for an encoder's training
datadir=data         # data dirs: <task's data>/train, valid and test, or <task's data>/fold00, fold01, ...
dumpdir=dump         # embeddings
expdir=exp           # scores, report, and an encoder that is trained here
dry_run=false        # true: print the plan and run nothing
size=                # variant of the recipe: --size for local/data.sh and for the encoder's training
audio_dir=           # a folder of audio to use in place of the recipe's corpus
manifest=            # its table (tab separated: utt_id, path, speaker, text, any label)
audio_opts=          # more options for prepare_data folder, e.g. "--where corpus=esc10"
local_data_opts=     # more options for local/data.sh
tasks=               # names of conf/hear, YAML files like those, or label=NAME of data dirs that lie in datadir itself
# Encoders
encoders=            # NAME=ENCODER,...: experiment directories of ours, conf/encoders names, hub ids, folders; empty: --mae_recipe
                     # trains an EnCodecMAE
layer=               # of these encoders (default: the last one)
checkpoint=latest    # of experiment directories: latest, best or an epoch number
mae_recipe=../mae1/run.sh  # recipe that trains one
mae_exps=pretrained=pretrain,self-trained=selftrain  # NAME=FOLDER of its experiments, below its --expdir
mae_data=pretrain    # folder of data dirs train and valid for it, below datadir (with --audio_dir: those of the folder)
mae_args=            # more options for it
references=logmel,latent,untrained  # yardsticks: mean and deviation of log-mel or of a codec's latent, the first experiment of --encoders untrained
                     # (untrained:1, untrained:2, ...: with other seeds)
codec=               # codec of the references, and of encoders that read codes (default: that of --mae_recipe)
embed_args=          # more options of bin/hear_embed.py, e.g. "--chunk_seconds 10"
# Downstream
evaluate_args=       # more options of bin/hear_evaluate.py: grid and schedule (HEAR's by default), seeds
# end options
. "${root}/utils/parse_options.sh"
. "${root}/utils/stages.sh"
. "${root}/utils/data_stage.sh"
. "${root}/utils/systems.sh"

# shellcheck disable=SC2034  # data_stage asks for it; sounds have no phones
align=""
device=$([ "${ngpu}" -gt 0 ] && echo cuda || echo cpu)
job_gpu=$([ "${ngpu}" -gt 0 ] && echo 1 || echo 0)
recipe=${PWD#"${root}/"}
sets=""
if [ -n "${audio_dir}" ]; then sets="train valid test" mae_data=.; fi
[ -n "${tasks}" ] || die "say which --tasks: $(cd "${root}/conf/hear" && echo *.yaml | sed 's/\.yaml//g')"

# file_of TASK: its YAML file; none for label=NAME
file_of() {
    case $1 in
        label=*) ;;
        *.yaml|*.yml) echo "$1" ;;
        *) echo "${root}/conf/hear/$1.yaml" ;;
    esac
}
# data_of TASK: the folder of its data dirs, below datadir
data_of() {
    local file data
    file=$(file_of "$1")
    if [ -z "${file}" ]; then return 0; fi
    data=$(awk '$1 == "data:" { print $2 }' "${file}")
    echo "${data:-$(basename "${file%.y*ml}")}"
}
for task in ${tasks}; do
    file=$(file_of "${task}")
    if [ -n "${file}" ] && [ ! -f "${file}" ]; then die "--tasks: there is no ${task} in conf/hear"; fi
done

stages_begin "1 data" "2 encoder" "3 embed" "4 evaluate" "5 report"
# shellcheck disable=SC2086  # sets is a list
data_stage 1 data ${sets}

trained=()  # what every system depends on that came out of stage 2
if [ -z "${encoders}" ]; then
    trained=(--in "${expdir}/encoder")
    mae_in=(--in "${mae_recipe}")
    for each in mae.sh conf; do if [ -e "$(dirname "${mae_recipe}")/${each}" ]; then mae_in+=(--in "$(dirname "${mae_recipe}")/${each}"); fi; done
    if stage 2 encoder "${expdir}/encoder" "train an EnCodecMAE with ${mae_recipe}" "${mae_in[@]}" --in "${datadir}" --opt "${mae_args} ${size}"; then
        # shellcheck disable=SC2086  # mae_args is a list of options
        bash "${mae_recipe}" --stage codec --nj "${nj}" --ngpu "${ngpu}" ${size:+--size "${size}"} --datadir "$(realpath -m "${datadir}/${mae_data}")" \
            --dumpdir "$(realpath -m "${dumpdir}/mae1")" --expdir "$(realpath -m "${expdir}/mae1")" ${mae_args}
        stage_done
    fi
    IFS=, read -ra found <<<"${mae_exps}"
    for each in "${found[@]}"; do encoders+="${encoders:+,}${each%%=*}=${expdir}/mae1/${each#*=}"; done
    codec=${codec:-${expdir}/mae1/codec}
fi

systems=() specs=() inputs=() options=()  # of each system: its name, where it is, what it depends on, how it is embedded
add_system() { systems+=("$1") specs+=("$2") inputs+=("$3") options+=("$4"); }
IFS=, read -ra given <<<"${encoders}"
for each in "${given[@]}"; do
    add_system "${each%%=*}" "${each#*=}" "${each#*=}" "--checkpoint ${checkpoint}${layer:+ --layer ${layer}}"
done
for reference in ${references//,/ }; do
    case ${reference} in
        logmel) add_system log-mel logmel "${codec}" "--pooling mean_std --role baseline" ;;
        latent)
            if [ -z "${codec}" ]; then die "--references latent: say which --codec"; fi
            add_system "codec latent" "latent:${codec}" "${codec}" "--pooling mean_std --role baseline" ;;
        untrained|untrained:*)
            fresh=$(first_experiment "${given[@]}")
            seed=$(seed_of "${reference}")
            add_system "untrained${seed:+ ${seed}}" "${fresh}" "${fresh}" "--untrained_seed ${seed:-0} --role baseline${layer:+ --layer ${layer}}" ;;
        *) die "--references: there are logmel, latent, untrained and untrained:SEED, not '${reference}'" ;;
    esac
done

scored=()
for place in "${!systems[@]}"; do
    system=${systems[${place}]}
    spec=${specs[${place}]}
    folder=${system// /_}
    depends=("${trained[@]}" --opt "${options[${place}]}")
    # A file or folder counts by its content, wherever it is called from.
    if [ -e "${inputs[${place}]}" ]; then
        depends+=(--in "${inputs[${place}]}")
    elif [ "${#trained[@]}" -eq 0 ]; then
        depends+=(--opt "${inputs[${place}]}")
    fi
    role=$(grep -o -e '--role [a-z]*' <<<"${options[${place}]}" || true)
    how=${options[${place}]/--role baseline/}
    for task in ${tasks}; do
        data=${datadir}/$(data_of "${task}")
        name=$(basename "${task%.y*ml}") name=${name#label=}
        embeddings=${dumpdir}/${folder}/$(basename "${data}")
        # shellcheck disable=SC2206  # lists of options
        common=(--encoder "${spec}" ${how} ${embed_args} ${codec:+--codec "${codec}"} --task "${task}" --data_dirs "${data%/}" --cache "${embeddings}" --device "${device}")
        made=(--in "${datadir}" "${depends[@]}" --opt "${embed_args}")
        if [ "${nj}" -gt 1 ] && stage 3 embed "${embeddings}" "${system}: embeddings of $(basename "${data}")" "${made[@]}"; then
            ${gpu_cmd} --gpu "${job_gpu}" --num_threads "${OMP_NUM_THREADS}" "JOB=1:${nj}" "${embeddings}/logs/embed.JOB.log" -- \
                python -m codec_ssl.bin.hear_embed "${common[@]}" --num_jobs "${nj}" --job JOB
            stage_done
        fi
        out=${expdir}/hear/${folder}/${name}
        file=$(file_of "${task}")
        if stage 4 evaluate "${out}" "${system}: ${name}" "${made[@]}" --opt "${evaluate_args}" --opt "$([ -z "${file}" ] || cat "${file}")"; then
            # shellcheck disable=SC2086  # lists of options
            ${gpu_cmd} --gpu "${job_gpu}" --num_threads "${OMP_NUM_THREADS}" "${out}/evaluate.log" -- \
                python -m codec_ssl.bin.hear_evaluate "${common[@]}" --system "${system}" ${role} --recipe "${recipe}" --out "${out}" ${evaluate_args}
            stage_done
        fi
        scored+=(--in "${out}")
    done
done

report_stage 5 HEAR "${expdir}"
stages_end
