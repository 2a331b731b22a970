#!/usr/bin/env bash
# How a recipe starts jobs and trainings, sourced by TEMPLATE scripts after stages.sh.
#
#   run_jobs LOG COMMAND...                COMMAND in ${nj} jobs (--job, --num_jobs), then once with --finalize true
#
# with ${job_gpu} GPUs a job, logs in LOG.N.log.
#
#   run_training EXP MODULE OPTIONS...     python -m MODULE --output_dir EXP OPTIONS...
#
# on ${ngpu} GPUs of each of ${num_nodes} nodes (0 GPUs: on the CPU), its log in EXP/train.cmd.log.
# Uses: nj, job_gpu, ngpu, num_nodes, gpu_cmd, OMP_NUM_THREADS.

run_jobs() {
    local log=$1 alone=false
    shift
    if [ "${nj}" -eq 1 ]; then alone=true; fi
    ${gpu_cmd} --gpu "${job_gpu}" --num_threads 1 "JOB=1:${nj}" "${log}.JOB.log" -- "$@" --num_jobs "${nj}" --job JOB --finalize "${alone}"
    if [ "${alone}" = false ]; then
        ${gpu_cmd} --gpu "${job_gpu}" --num_threads 1 "${log}.finalize.log" -- "$@" --num_jobs "${nj}" --finalize true
    fi
}

run_training() {
    local exp=$1 module=$2 launch=() several=false dist=()
    shift 2
    if [ "${ngpu}" -gt 1 ] || [ "${num_nodes}" -gt 1 ]; then several=true; fi
    dist=(--ngpu "${ngpu}" --multiprocessing_distributed "${several}")
    if [ "${num_nodes}" -gt 1 ]; then
        launch=(srun --export=ALL)
        dist+=(--dist_launcher slurm --dist_init_method "file://$(realpath "${exp}")/.dist_init_$(date +%s)")
    fi
    ${gpu_cmd} --gpu "${ngpu}" --num_threads "${OMP_NUM_THREADS}" --num_nodes "${num_nodes}" "${exp}/train.cmd.log" -- \
        "${launch[@]}" python -m "${module}" --output_dir "${exp}" "${dist[@]}" "$@"
}
