#!/usr/bin/env bash
# Makes the embedded corpus's tasks: notes, events, scenes and speech. With --recordings also esc10, fsdd, emodb and wakewords, of a
# folder of recordings whose manifest.tsv has these corpora, labels, speakers and, for esc10, notes that begin with the fold. An
# EnCodecMAE that is trained here then hears all of the folder too, unlabelled.
set -euo pipefail
. ./path.sh
# options
datadir=data    # where the data dirs go
size=small      # ci, small or full
recordings=     # a folder with manifest.tsv
folds=5         # folds of the recordings
# end options
. "${root}/utils/parse_options.sh"
prepare() { python -m codec_ssl.bin.prepare_data "$@"; }
prepare sounds --out_dir "${datadir}" --size "${size}"
prepare mini --out_dir "${datadir}/speech" --size "${size}"
# What an EnCodecMAE is trained on here: of all kinds of sound, of the embedded corpus nothing that is tested.
kinds=(speech notes scenes)
if [ -n "${recordings}" ]; then
    prepare folder --audio_dir "${recordings}" --manifest "${recordings}/manifest.tsv" --out_dir "${datadir}/recordings" --fractions 0.9,0.1,0
    kinds+=(recordings)
fi
for set in train valid; do
    parts=()
    for kind in "${kinds[@]}"; do parts+=("${datadir}/${kind}/${set}"); done
    python -m codec_ssl.bin.data_dir combine "${datadir}/pretrain/${set}" "${parts[@]}"
done
if [ -z "${recordings}" ]; then exit 0; fi

for corpus in esc10 fsdd emodb_2s wakewords; do
    out=${datadir}/${corpus%_*}
    # everything as one data dir, which the folds divide
    prepare folder --audio_dir "${recordings}" --manifest "${recordings}/manifest.tsv" --corpora "${corpus}" --out_dir "${out}" --fractions 1,0,0
    case ${corpus} in
        esc10)
            awk '{ print $1, $2 }' "${out}/train/utt2note" >"${out}/train/utt2fold"
            prepare folds --data_dir "${out}/train" --out_dir "${out}" --label fold --given ;;
        fsdd | emodb_2s) prepare folds --data_dir "${out}/train" --out_dir "${out}" --label label --num_folds "${folds}" --split_by speaker ;;
        *) prepare folds --data_dir "${out}/train" --out_dir "${out}" --label label --num_folds "${folds}" ;;
    esac
done
