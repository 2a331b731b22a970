#!/usr/bin/env bash
# Makes token stores and data dirs of published RepCodec units, divided by speakers into train, valid and test.
# The table has a header, then a row an utterance: its id, and for each tokenizer a column of units with blanks between.
set -euo pipefail
cd "$(dirname "$0")/.."
. ./path.sh
# options
tokens=           # the table, tab-separated; .xz and .gz are unpacked
text=             # Kaldi text of the same utterances, or of more
column=           # tokenizer to take, as the header calls it (default: the first)
maker=repcodec    # name of the tokenizer in the stores and in results
encoder=          # whose features were quantized (default: the column's name before _l<layer>)
layer=            # of the encoder (default: as the column's name ends)
text_only=false   # true: also OUT/tokens/text_only/<set>, units that tell nothing, for a model of text alone
out=published     # writes OUT/data/<set> and OUT/tokens/<column>/<set>
# end options
. "${root}/utils/parse_options.sh"
if [ ! -f "${tokens}" ] || [ ! -f "${text}" ]; then
    echo "error: say where the units and the transcripts are: --tokens FILE --text FILE" >&2
    exit 1
fi

case ${tokens} in
    *.xz) unpack=(xz -dc) ;;
    *.gz) unpack=(gzip -dc) ;;
    *) unpack=(cat) ;;
esac
header=$("${unpack[@]}" "${tokens}" | awk 'NR == 1')
column=${column:-$(cut -f 2 <<<"${header}")}
number=$(tr '\t' '\n' <<<"${header}" | awk -v name="${column}" 'NR > 1 && $0 == name { print NR; exit }')
if [ -z "${number}" ]; then
    echo "error: ${tokens}: no column ${column}; there are: $(cut -f 2- <<<"${header}")" >&2
    exit 1
fi
if [[ ${column} =~ ^(.+)_l([0-9]+)$ ]]; then
    encoder=${encoder:-${BASH_REMATCH[1]}}
    layer=${layer:-${BASH_REMATCH[2]}}
fi

units=${out}/units/${column}
mkdir -p "${units}"
"${unpack[@]}" "${tokens}" | cut -f "1,${number}" | awk 'NR > 1' | tr '\t' ' ' | LC_ALL=C sort > "${units}/all"
# of 10 speakers the 9th is for validation and the 10th for the test: no speaker is in two sets
cut -d - -f 1 "${units}/all" | LC_ALL=C sort -u \
    | awk '{ print $1, NR % 10 == 9 ? "valid" : (NR % 10 == 0 ? "test" : "train") }' > "${units}/speakers"
for set in train valid test; do
    awk -v wanted="${set}" 'NR == FNR { if ($2 == wanted) mine[$1]; next } { split($1, id, "-") } id[1] in mine' \
        "${units}/speakers" "${units}/all" > "${units}/${set}"
    if [ ! -s "${units}/${set}" ]; then
        echo "error: ${tokens}: expected 10 speakers or more, found $(wc -l < "${units}/speakers")" >&2
        exit 1
    fi
    mkdir -p "${out}/data/${set}"
    awk 'NR == FNR { mine[$1]; next } $1 in mine' "${units}/${set}" "${text}" | LC_ALL=C sort > "${out}/data/${set}/text"
    awk '{ split($1, id, "-"); print $1, id[1] }' "${units}/${set}" > "${out}/data/${set}/utt2spk"
    python -m codec_ssl.bin.tokens import --format text --codebook_size 1024 --frame_rate 50 --maker "${maker}" \
        --kind repcodec ${encoder:+--encoder "${encoder}"} ${layer:+--layer "${layer}"} "${units}/${set}" "${out}/tokens/${column}/${set}"
    if [ "${text_only}" = true ]; then
        awk '{ print $1, NR % 2 }' "${units}/${set}" > "${out}/units/text_only_${set}"
        python -m codec_ssl.bin.tokens import --format text --codebook_size 2 --frame_rate 50 --maker text_only \
            "${out}/units/text_only_${set}" "${out}/tokens/text_only/${set}"
    fi
done
