#!/usr/bin/env bash
# Where jobs run. CMD_BACKEND=local: this machine. CMD_BACKEND=slurm: an existing Slurm cluster, with
# the partitions of conf/cluster/slurm.conf. Both take the same call.
case ${CMD_BACKEND:=local} in
    local) cpu_cmd="run.py"; gpu_cmd="run.py" ;;
    slurm) cpu_cmd="slurm.py"; gpu_cmd="slurm.py" ;;
    *) echo "error: CMD_BACKEND is '${CMD_BACKEND}'; it may be local or slurm" >&2; exit 1 ;;
esac
export cpu_cmd gpu_cmd
