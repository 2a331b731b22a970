#!/usr/bin/env bash
# Data dirs of HEAR's tasks, of whichever corpora are given: by an option, or by the environment's variable of that name in capitals.
set -euo pipefail
. ./path.sh
# options
datadir=data        # where the data dirs go
size=               # none: these corpora come in one
nsynth=             # the folder with nsynth-train, nsynth-valid and nsynth-test
nsynth_hours=50     # hours of NSynth's train and valid: 50 or 5 in HEAR; empty: all
speech_commands=    # the folder with speech_commands_v0.02 and speech_commands_test_set_v0.02
crema_d=            # the folder with AudioWAV
fsd50k=             # the folder with FSD50K.dev_audio, FSD50K.eval_audio and FSD50K.ground_truth
esc50=              # the folder with meta and audio
gtzan=              # the folder with genres
# end options
. "${root}/utils/parse_options.sh"
if [ -n "${size}" ]; then
    echo "error: --size ${size}: there are no smaller variants of these corpora; expected none" >&2
    exit 1
fi
nsynth=${nsynth:-${NSYNTH:-}} speech_commands=${speech_commands:-${SPEECH_COMMANDS:-}} crema_d=${crema_d:-${CREMA_D:-}}
fsd50k=${fsd50k:-${FSD50K:-}} esc50=${esc50:-${ESC50:-}} gtzan=${gtzan:-${GTZAN:-}}
made=0
for corpus in nsynth speech_commands crema_d fsd50k esc50 gtzan; do
    folder=${!corpus}
    if [ -z "${folder}" ]; then
        echo "note: no data of ${corpus}, since ${corpus^^} was not given: leave its task out of --tasks" >&2
        continue
    fi
    more=()
    if [ "${corpus}" = nsynth ] && [ -n "${nsynth_hours}" ]; then more=(--hours "${nsynth_hours}"); fi
    python -m codec_ssl.bin.prepare_data "${corpus}" --corpus_dir "${folder}" --out_dir "${datadir}/${corpus}" "${more[@]}"
    made=$((made + 1))
done
if [ "${made}" -eq 0 ]; then
    echo "error: say where a corpus is: ESC50=DIR, or --local_data_opts '--esc50 DIR', ..." >&2
    exit 1
fi
