#!/usr/bin/env bash
# Data of the pre-training as data dirs train and valid: --size mixture (all three corpora), audioset, fma or librilight.
set -euo pipefail
. ./path.sh
# options
datadir=data     # where the data dirs go
size=mixture     # mixture, audioset, fma or librilight
audioset=        # the folder with AudioSet's unbalanced_train_segments.csv and clips; default: $AUDIOSET
fma=             # the folder fma_large; default: $FMA
librilight=      # the folder with Libri-Light's small and medium (together the paper's 6k hours); default: $LIBRILIGHT
num_valid=200    # recordings for validation, spread over all
# end options
. "${root}/utils/parse_options.sh"
audioset=${audioset:-${AUDIOSET:-}} fma=${fma:-${FMA:-}} librilight=${librilight:-${LIBRILIGHT:-}}
die() { echo "error: $*" >&2; exit 1; }
prepare() { python -m codec_ssl.bin.prepare_data "$@"; }
data_dir() { python -m codec_ssl.bin.data_dir "$@"; }
case ${size} in
    mixture) corpora=(audioset fma librilight) ;;
    audioset | fma | librilight) corpora=("${size}") ;;
    *) die "--size ${size}: there are mixture, audioset, fma and librilight" ;;
esac

parts=()
for corpus in "${corpora[@]}"; do
    folder=${!corpus}
    [ -n "${folder}" ] || die "say where ${corpus} is: --local_data_opts '--${corpus} DIR', or ${corpus^^}=DIR"
    case ${corpus} in
        audioset)
            prepare audioset --corpus_dir "${folder}" --out_dir "${datadir}/audioset" --parts unbalanced_train
            parts+=("${datadir}/audioset/unbalanced_train") ;;
        fma)
            prepare fma --corpus_dir "${folder}" --out_dir "${datadir}/fma"
            parts+=("${datadir}/fma/$(basename "${folder}")") ;;
        librilight)
            prepare librilight --corpus_dir "${folder}" --out_dir "${datadir}/librilight"
            for part in "${datadir}"/librilight/{small,medium}; do if [ -d "${part}" ]; then parts+=("${part}"); fi; done ;;
    esac
done

all=${datadir}/all
data_dir combine "${all}" "${parts[@]}"
# Whole recordings are held out: pieces of one are in training or in validation.
# As many as are wanted, but half of them at most, and in equal steps whatever their number is.
awk -v wanted="${num_valid}" 'NR == FNR { count++; next } FNR == 1 { if (wanted > count / 2) wanted = int(count / 2) }
    int(FNR * wanted / count) > int((FNR - 1) * wanted / count) { print $1 }' "${all}/wav.scp" "${all}/wav.scp" >"${all}/valid_recordings.list"
if [ -f "${all}/segments" ]; then segments=${all}/segments; else segments=${all}/wav.scp; fi
for split in train valid; do
    awk -v split_is="${split}" -v cut="$([ -f "${all}/segments" ] && echo 2 || echo 1)" \
        'NR == FNR { held[$1]; next } (($cut in held) ? "valid" : "train") == split_is { print $1 }' \
        "${all}/valid_recordings.list" "${segments}" >"${all}/${split}.list"
    data_dir subset --utt-list "${all}/${split}.list" "${all}" "${datadir}/${split}"
done
