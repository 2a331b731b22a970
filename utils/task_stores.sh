#!/usr/bin/env bash
# What is kept of every set of every task, sourced by TEMPLATE scripts with several tasks after launch.sh.
#
#   for set in $(distinct_sets FOLDER TASK...); do     <task>/<set> of those tasks, for what is kept in FOLDER/<task>/<set>
#
# Tasks often have the same recordings: of these the first one comes here, and the others' FOLDER/<task>/<set> are links to its own.
#
#   make_stores STORES WHAT [--in INPUT | --opt OPTION]... -- COMMAND...
#
# is stage 2 for each of these sets of ${stored_tasks}: COMMAND makes STORES/<task>/<set> in ${nj} jobs. In inputs and command {set}
# stands for <task>/<set>.
# Uses: stored_tasks, sets_of, datadir, dry_run.

same_recordings() {  # of two data dirs; most have no segments
    cmp -s "$1/wav.scp" "$2/wav.scp" || return 1
    if [ -e "$1/segments" ] || [ -e "$2/segments" ]; then cmp -s "$1/segments" "$2/segments"; fi
}

distinct_sets() {
    local folder=$1 task set kept other twin made=()
    shift
    for task in "$@"; do
        for set in $(sets_of "${task}"); do
            set=${task}/${set}
            kept=${folder}/${set} twin=""
            for other in "${made[@]}"; do
                if same_recordings "${datadir}/${set}" "${datadir}/${other}"; then twin=${other}; fi
            done
            if [ -n "${twin}" ] && { [ ! -e "${kept}" ] || [ -L "${kept}" ]; }; then
                if [ "${dry_run}" = false ]; then mkdir -p "$(dirname "${kept}")" && ln -sfn "$(realpath -m "${folder}/${twin}")" "${kept}"; fi
                continue
            fi
            if [ "${dry_run}" = false ] && [ -L "${kept}" ]; then rm "${kept}"; fi  # of other recordings by now
            made+=("${set}")
            echo "${set}"
        done
    done
}

make_stores() {
    local stores=$1 what=$2 needs=() set
    shift 2
    while [ "$1" != -- ]; do needs+=("$1") && shift; done
    shift
    # shellcheck disable=SC2086  # stored_tasks is a list
    for set in $(distinct_sets "${stores}" ${stored_tasks}); do
        if stage 2 codes "${stores}/${set}" "${what} of ${set}" --in "${datadir}/${set}" "${needs[@]//\{set\}/${set}}"; then
            run_jobs "${stores}/logs/${set%%/*}/$(tr / _ <<<"${set#*/}")" "${@//\{set\}/${set}}"
            stage_done
        fi
    done
}
