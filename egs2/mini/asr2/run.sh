#!/usr/bin/env bash
# Decoder-only ASR at mini scale, on the units of ../tok1: training, decoding, error rates, report; minutes on a CPU.
#   bash run.sh                            the embedded corpus (synthetic speech) with RepCodec's units, which ../tok1 makes first
#   bash run.sh --size ci                  its smallest variant
#   bash run.sh --tokens DIR --datadir DIR any other units (folder of token stores by set name) and transcripts
# Any option of asr.sh may follow; --help lists them.
set -euo pipefail
cd "$(dirname "$0")"

bash ./asr.sh --upstream ../tok1/run.sh --upstream_tokens r0_reconstruction_l2/repcodec \
    --vocab_size 120 --pieces_args "--case lower" "$@"
