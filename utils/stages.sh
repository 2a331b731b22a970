#!/usr/bin/env bash
# The stage engine, sourced by every TEMPLATE script after parse_options.sh.
#
#   stages_begin "1 data" "2 codec" ...          names of all stages; --stage and --stop_stage take either
#   if stage 2 codec "${out}" "what it does" --in "${input}" --opt "${option}"; then
#       commands; stage_done
#   fi
#
# A stage runs when it lies between --stage and --stop_stage and its output is not current (see
# stamp.py). Several outputs may share one stage number. Uses: stage, stop_stage, dry_run, expdir.

declare -A _made_by=() _stale=()
_stage_args=()
_ran=0

log() { echo "$(date '+%H:%M:%S') $*" >&2; }
die() { echo "error: $*" >&2; exit 1; }
# The name of a codec: its file's or folder's, which may have dots in it, as may the folders above.
codec_name_of() { basename "$1" | sed -E 's/\.(ya?ml|pth|pt|th)$//'; }
unique_words() { tr ' ' '\n' <<<"$1" | awk 'NF && !seen[$0]++' | paste -sd ' '; }

_stage_number() {  # name or number -> number
    local entry
    for entry in "${_stages[@]}"; do
        if [ "$1" = "${entry% *}" ] || [ "$1" = "${entry#* }" ]; then echo "${entry% *}"; return 0; fi
    done
    die "no stage is called '$1'; the stages are: ${_stages[*]}"
}

stages_begin() {
    _stages=("$@")
    stage=$(_stage_number "${stage}")
    stop_stage=$(_stage_number "${stop_stage}")
    if [ "${dry_run}" = true ]; then log "plan (nothing is run):"; return 0; fi
    mkdir -p "${expdir}"
    # A job left over from a killed run would write beside the new one: wait for it, then say so.
    exec 9>>"${expdir}/.lock"
    flock -w 20 9 || die "another run is at work in ${expdir}; wait for it or stop it"
}

_stamp() { python "${root}/utils/stamp.py" "$@"; }

stage() {
    local number=$1 name=$2 out=$3 what=$4 reason status=0 arg key=""
    shift 4
    _made_by[${out}]=${name}
    if [ "${number}" -lt "${stage}" ] || [ "${number}" -gt "${stop_stage}" ]; then return 1; fi
    reason=$(_stamp check --out "${out}" "$@") || status=$?
    if [ "${status}" -ne 0 ] && [ "${status}" -ne 10 ] && [ "${status}" -ne 11 ]; then
        die "stage ${number} ${name}: the check of ${out} failed"
    fi
    if [ "${dry_run}" = true ]; then
        for arg in "$@"; do
            if [ "${key}" = --in ] && [ -n "${_stale[${arg}]:-}" ]; then status=10; reason="after ${_stale[${arg}]}"; fi
            key=${arg}
        done
        if [ "${status}" -eq 11 ]; then reason="needs ${reason}"; fi
        if [ "${status}" -ne 0 ]; then _stale[${out}]=${name}; fi
        printf '  %s %-10s %-44s %s\n' "${number}" "${name}" "${out}" "${reason:-current}"
        return 1
    fi
    case ${status} in
        0) log "stage ${number} ${name}: ${out} is current, nothing to do"; return 1 ;;
        11)
            if [ -n "${_made_by[${reason}]:-}" ]; then
                die "stage ${number} ${name} needs ${reason}, which stage '${_made_by[${reason}]}' makes: run it first (--stage ${_made_by[${reason}]})"
            fi
            die "stage ${number} ${name} needs ${reason}, which is not there: is the option that names it right?" ;;
    esac
    log "stage ${number} ${name}: ${what} -> ${out} (${reason})"
    _stage_args=(--out "${out}" "$@")
    _stamp start "${_stage_args[@]}" || die "stage ${number} ${name}: cannot begin in ${out}"
    _ran=$((_ran + 1))
}

# stage_done [OUT --in ... --opt ...]: of the stage that began last, or where one command makes several outputs, of each by its arguments.
# shellcheck disable=SC2120  # most stages have one output, and give no arguments
stage_done() {
    if [ $# -gt 0 ]; then _stage_args=(--out "$@"); fi
    _stamp "done" "${_stage_args[@]}"
}

stages_end() {
    if [ "${dry_run}" = true ]; then return 0; fi
    if [ "${_ran}" -eq 0 ]; then log "nothing to do: every stage is current"; else log "done"; fi
}
