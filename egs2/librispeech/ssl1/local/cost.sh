#!/usr/bin/env bash
# Table II: storage, and the cost of a training step against a waveform HuBERT base, in one run on one GPU.
# After stage 3 of run.sh:  bash local/cost.sh [--extraction_hours H]
set -euo pipefail
cd "$(dirname "$0")/.."
. ./path.sh
# options
data=data/train-960                 # data dir of the audio
store=dump/codes_dac_16k/train-960  # its codes
out=exp/cost                        # results.json and figures.json go there
extraction_hours=0                  # GPU hours that stage 3 took, which the paper counts
args="--compile"                    # more options of tools/benchmarks/training_cost.py
# end options
. "${root}/utils/parse_options.sh"
mkdir -p "${out}"
# shellcheck disable=SC2086  # args is a list of options
python "${root}/tools/benchmarks/training_cost.py" --data_dir "${data}" --store "${store}" --json "${out}/figures.json" \
    --results "${out}/results.json" --extraction_hours "${extraction_hours}" ${args}
python -m codec_ssl.bin.paper_table codec2vec II "${out}"
