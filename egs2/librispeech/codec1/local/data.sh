#!/usr/bin/env bash
# LibriSpeech as data dirs, by ../ssl1; with --size librilight its evaluation sets alone, and Libri-Light in one data dir to train on.
set -euo pipefail
. ./path.sh
# options
datadir=data                # where the data dirs go
size=librispeech            # what to train on: librispeech or librilight
corpus=                     # the folder LibriSpeech; default: $LIBRISPEECH
librilight=                 # the folder with Libri-Light's small, medium, ...; default: $LIBRILIGHT
librilight_parts=           # parts of Libri-Light, such as "small" (default: all that are there)
# end options
. "${root}/utils/parse_options.sh"
corpus=${corpus:-${LIBRISPEECH:-}} librilight=${librilight:-${LIBRILIGHT:-}}
die() { echo "error: $*" >&2; exit 1; }
case ${size} in
    librispeech)
        exec bash ../ssl1/local/data.sh --datadir "${datadir}" --corpus "${corpus}" ;;
    librilight)
        [ -n "${librilight}" ] || die "say where Libri-Light is: --local_data_opts '--librilight DIR', or LIBRILIGHT=DIR" ;;
    *) die "--size ${size}: expected librispeech or librilight" ;;
esac
[ -n "${corpus}" ] || die "say where LibriSpeech is, for its evaluation sets: --local_data_opts '--corpus DIR', or LIBRISPEECH=DIR"
python -m codec_ssl.bin.prepare_data librispeech --corpus_dir "${corpus}" --out_dir "${datadir}" --parts dev-clean test-clean test-other
# shellcheck disable=SC2086  # librilight_parts is a list
python -m codec_ssl.bin.prepare_data librilight --corpus_dir "${librilight}" --out_dir "${datadir}/parts" ${librilight_parts:+--parts ${librilight_parts}}
parts=()
for part in "${datadir}"/parts/*/; do parts+=("${part%/}"); done
python -m codec_ssl.bin.data_dir combine "${datadir}/librilight" "${parts[@]}"
