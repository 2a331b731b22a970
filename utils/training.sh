#!/usr/bin/env bash
# How a recipe starts a training of packed batches, sourced by TEMPLATE scripts after stages.sh.
#
#   run_training EXP MODULE OPTIONS...     python -m MODULE --output_dir EXP OPTIONS...
#
# on ${ngpu} GPUs of each of ${num_nodes} nodes (0 GPUs: on the CPU), its log in EXP/train.cmd.log.
# Uses: ngpu, num_nodes, gpu_cmd, OMP_NUM_THREADS.

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
