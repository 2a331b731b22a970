#!/usr/bin/env bash
# Token stores of every set of every task, sourced by TEMPLATE scripts with several tasks after launch.sh.
#
#   make_stores STORES WHAT [--in INPUT | --opt OPTION]... -- COMMAND...
#
# is stage 2 for each set of each task: COMMAND makes STORES/<task>/<set> in ${nj} jobs. In inputs and command {set} stands for
# <task>/<set>. Tasks often have the same recordings: the first one's store serves them all, by a link.
# Uses: stored_tasks, sets_of, datadir, dry_run.

make_stores() {
    local stores=$1 what=$2 needs=() task set data store twin other done_before=()
    shift 2
    while [ "$1" != -- ]; do needs+=("$1") && shift; done
    shift
    for task in ${stored_tasks}; do
        for set in $(sets_of "${task}"); do
            set=${task}/${set}
            data=${datadir}/${set} store=${stores}/${set} twin=""
            for other in "${done_before[@]}"; do
                if cmp -s "${data}/wav.scp" "${datadir}/${other}/wav.scp" && cat "${data}/segments" 2>/dev/null | cmp -s - <(cat "${datadir}/${other}/segments" 2>/dev/null); then twin=${other}; fi
            done
            if [ -n "${twin}" ] && { [ ! -e "${store}" ] || [ -L "${store}" ]; }; then
                if [ "${dry_run}" = false ]; then mkdir -p "$(dirname "${store}")" && ln -sfn "$(realpath -m "${stores}/${twin}")" "${store}"; fi
                continue
            fi
            done_before+=("${set}")
            if stage 2 codes "${store}" "${what} of ${set}" --in "${data}" "${needs[@]//\{set\}/${set}}"; then
                run_jobs "${stores}/logs/${task}/$(tr / _ <<<"${set#*/}")" "${@//\{set\}/${set}}"
                stage_done
            fi
        done
    done
}
