#!/usr/bin/env bash
# What recipes share that judge frozen encoders, sourced by TEMPLATE scripts after stages.sh.
#
#   fresh=$(first_experiment NAME=ENCODER...)   the first experiment among encoders, else the first encoder: others have no config to make fresh weights of
#   seed=$(seed_of REFERENCE)                   SEED of untrained:SEED; nothing of untrained, whose seed is 0
#   if [ "$(takes_codes ENCODER)" = yes ]       whether it is an experiment with codes, as all of ours are but EnCodecMAE's, or the codes themselves
#   report_stage 6 SUPERB FOLDER                ${expdir}/report/REPORT.md of the scores in FOLDER, those in ${scored[@]} ("--in OUT" of each)
#
# Uses: expdir, recipe, scored, and for takes_codes made: outputs of the stage that trains the encoders, which are not there yet in a plan.

first_experiment() {
    local each fresh=${1#*=}
    for each in "$@"; do if [ -f "${each#*=}/config.yaml" ]; then fresh=${each#*=} && break; fi; done
    echo "${fresh}"
}

seed_of() {
    local seed=${1#untrained}
    seed=${seed#:}
    [[ ${seed:-0} =~ ^[0-9]+$ ]] || die "--references $1: the seed is a number"
    echo "${seed}"
}

takes_codes() {
    if [ "$1" = codes ]; then echo yes
    elif [ -f "$1/config.yaml" ] && grep -q "model: encodecmae" "$1/config.yaml"; then echo no
    elif [ -f "$1/config.yaml" ] || [ "${#made[@]}" -gt 0 ]; then echo yes; else echo no; fi
}

report_stage() {
    local number=$1 suite=$2 scores=$3 results=() place
    if ! stage "${number}" report "${expdir}/report" "REPORT.md" "${scored[@]}"; then return 0; fi
    for ((place = 1; place < ${#scored[@]}; place += 2)); do results+=("${scored[${place}]}/results.json"); done
    python -m codec_ssl.bin.report --expdir "${scores}" --results "${results[@]}" --title "${suite}: ${recipe}" --out "${expdir}/report"
    stage_done
    log "report: $(realpath "${expdir}")/report/REPORT.md"
}
