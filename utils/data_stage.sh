#!/usr/bin/env bash
# The data stage of every TEMPLATE script, sourced after stages.sh: the corpus's local/data.sh, or any folder of audio.
#
#   data_stage 1 data SET...             makes ${datadir}/SET for every set
#   task_data_stage 1 data TASK...       makes ${datadir}/TASK, each an output of its own: another choice of tasks leaves it alone.
#                                        local/data.sh gets --tasks, a list with commas
#
# Uses: datadir, audio_dir, manifest, audio_opts, size, local_data_opts, align.

# Folders that the environment gives local/data.sh (LIBRISPEECH=DIR): others make other data. Where it gives none, those of last time.
corpus_folders() {
    local name found
    found=$({ grep -o '[$]{[A-Z][A-Z0-9_]*:-' local/data.sh || true; } | tr -cd 'A-Z0-9_\n' | sort -u | while read -r name; do
        if [ -n "${!name:-}" ]; then echo "${name}=${!name}"; fi
    done)
    if [ -n "${found}" ]; then echo "${found}"; elif [ -f "${datadir}/.corpora" ]; then cat "${datadir}/.corpora"; fi
}

data_stage() {
    local number=$1 name=$2 inputs=() set folders=""
    shift 2
    if [ -z "${audio_dir}" ]; then
        folders=$(corpus_folders)
        inputs+=(--in local/data.sh --opt "${folders}")
    fi
    if [ -n "${manifest}" ]; then inputs+=(--in "${manifest}"); fi
    if ! stage "${number}" "${name}" "${datadir}" "data dirs" "${inputs[@]}" --opt "${audio_dir} ${audio_opts}" \
        --opt "${size} ${local_data_opts} ${align}"; then
        return 0
    fi
    if [ -n "${audio_dir}" ]; then
        # shellcheck disable=SC2086  # audio_opts is a list of options
        python -m codec_ssl.bin.prepare_data folder --audio_dir "${audio_dir}" --out_dir "${datadir}" \
            ${manifest:+--manifest "${manifest}"} ${audio_opts}
    else
        # shellcheck disable=SC2086  # local_data_opts is a list of options
        bash local/data.sh --datadir "${datadir}" ${size:+--size "${size}"} ${local_data_opts}
        if [ -n "${folders}" ]; then echo "${folders}" >"${datadir}/.corpora"; fi
    fi
    for set in "$@"; do
        if [ -n "${align}" ] && [ ! -e "${datadir}/${set}/phones.ctm" ]; then
            python -m codec_ssl.bin.prepare_data align --data_dir "${datadir}/${set}" --language "${align}"
        fi
        validate_data_dir.sh --no-text "${datadir}/${set}"
    done
    stage_done
}

task_data_stage() {
    local number=$1 name=$2 folders task inputs pending=()
    shift 2
    folders=$(corpus_folders)
    inputs=(--in local/data.sh --opt "${folders}" --opt "${size} ${local_data_opts}")
    for task in "$@"; do
        if stage "${number}" "${name}" "${datadir}/${task}" "data of ${task}" "${inputs[@]}"; then pending+=("${task}"); fi
    done
    if [ "${#pending[@]}" -eq 0 ]; then return 0; fi
    # shellcheck disable=SC2086  # local_data_opts is a list of options
    bash local/data.sh --datadir "${datadir}" ${size:+--size "${size}"} --tasks "$(IFS=,; echo "${pending[*]}")" ${local_data_opts}
    if [ -n "${folders}" ]; then echo "${folders}" >"${datadir}/.corpora"; fi
    for task in "${pending[@]}"; do stage_done "${datadir}/${task}" "${inputs[@]}"; done
}
