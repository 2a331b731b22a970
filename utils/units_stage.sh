#!/usr/bin/env bash
# Where a recipe's units come from, sourced after stages.sh: tokens that are there, tokenizers, a codec.
#
#   units_stage 2 tokens              makes token stores of every set for each kind of units, and fills
#                                     systems: their names; stores[NAME]: the folder with a store a set;
#                                     trained_codec: the codec that was trained on the way, or ""
#   codec_stage 2 tokens CODEC DIR SET [--in ... --opt ...]    codes of a set: DIR/SET
#
# Uses: tokens, tokenizers, tok_exp, tok_recipe, tok_args, encoder, layer, codes, codec, sets, train_set, valid_set,
# test_set, size, nj, ngpu, job_gpu, device, datadir, dumpdir, expdir, max_bad_rate.

systems=()
declare -A stores=()
# shellcheck disable=SC2034  # for whoever sources this
trained_codec=""

_add_units() {  # NAME FOLDER
    if [ -n "${stores[$1]:-}" ]; then die "two kinds of units are called $1: name one of them otherwise, NAME=DIR"; fi
    systems+=("$1") stores[$1]=$2
}

units_stage() {
    local number=$1 name=$2 parts each set own=() inputs=()
    # folders are read from the folder of another recipe, too
    if [ -e "${encoder}" ]; then encoder=$(realpath "${encoder}"); fi
    if [ -n "${codes}" ]; then codes=$(realpath -m "${codes}"); fi
    IFS=, read -ra parts <<<"${tokens}"
    for each in "${parts[@]}"; do
        [[ ${each} = ?*=?* ]] || die "--tokens: expected NAME=DIR,NAME=DIR, found '${each}'"
        _add_units "${each%%=*}" "${each#*=}"
    done
    if [ -n "${encoder}" ] && [ -z "${layer}" ] && [ -f "${root}/conf/encoders/${encoder}.yaml" ]; then
        layer=$(awk '$1 == "layer:" { print $2 }' "${root}/conf/encoders/${encoder}.yaml")
    fi
    IFS=, read -ra parts <<<"${tokenizers}"
    for each in "${parts[@]}"; do
        _add_units "${each%%=*}" "${dumpdir}/${each%%=*}"
        if [[ ${each} = *=* ]] || [ -n "${tok_exp}" ]; then _tokens_of "${number}" "${name}" "${each%%=*}" "${each}"; else own+=("${each}"); fi
    done
    if [ ${#own[@]} -gt 0 ]; then _own_tokens "${number}" "${name}" "${own[@]}"; fi
    if [ -n "${codec}" ]; then
        each=$(codec_name_of "${codec}")
        _add_units "${each}" "${dumpdir}/${each}"
        if [ -e "${codec}" ]; then inputs=(--in "${codec}"); else inputs=(--opt "${codec}"); fi
        for set in ${sets}; do codec_stage "${number}" "${name}" "${codec}" "${dumpdir}/${each}" "${set}" "${inputs[@]}"; done
    fi
    [ ${#systems[@]} -gt 0 ] || die "say which units: --tokenizers, --tokens or --codec"
}

_tokens_of() {  # NUMBER NAME TOKENIZER [TOKENIZER=]DIR: by a tokenizer that is there
    local number=$1 name=$2 tokenizer=$3 folder=${4#*=} set inputs
    [ -n "${encoder}" ] || die "--tokenizers $4: say which --encoder makes its features"
    if [ "${folder}" = "$4" ]; then
        folder=${tok_exp}/$(basename "${encoder}")_l${layer:?say which --layer}/${tokenizer}
        if [ "${tokenizer#kmeans}" = "${tokenizer}" ]; then folder=${folder}/tokenizer; fi
    fi
    inputs=(--in "${datadir}" --in "${folder%/tokenizer}" --opt "${layer}")
    if [ -e "${encoder}" ]; then inputs+=(--in "${encoder}"); else inputs+=(--opt "${encoder}"); fi
    for set in ${sets}; do
        if stage "${number}" "${name}" "${dumpdir}/${tokenizer}/${set}" "tokens of ${set}" "${inputs[@]}" ${codes:+--in "${codes}/${set}"}; then
            run_jobs "${dumpdir}/${tokenizer}/logs/${set}" python -m codec_ssl.bin.extract_labels --tokenizer "${folder}" --name "${tokenizer}" \
                --encoder "${encoder}" ${layer:+--layer "${layer}"} --data_dir "${datadir}/${set}" ${codes:+--store "${codes}/${set}"} \
                --device "${device}" --out "${dumpdir}/${tokenizer}/${set}"
            stage_done
        fi
    done
}

_own_tokens() {  # NUMBER NAME TOKENIZER...: trained on the same data by another recipe
    local number=$1 name=$2 set tokenizer found
    shift 2
    [ -f "${tok_recipe}" ] || die "say which --tokenizers NAME=DIR, --tok_exp DIR or --tokens NAME=DIR: there is no ${tok_recipe} to train $* with"
    # shellcheck disable=SC2034
    if [ -z "${encoder}" ] && [[ ${tok_args} != *--encoder* ]]; then trained_codec=${expdir}/tok1/exp/ssl1/codec; fi
    if stage "${number}" "${name}" "${expdir}/tok1" "train $* with ${tok_recipe}" --in "${datadir}" \
        --opt "$* ${sets}" --opt "${tok_recipe} ${tok_args} ${size} ${encoder} ${layer} ${codes}"; then
        # shellcheck disable=SC2086  # tok_args is a list of options
        bash "${tok_recipe}" --stage encoder --stop_stage tokens --nj "${nj}" --ngpu "${ngpu}" ${size:+--size "${size}"} \
            --datadir "$(realpath "${datadir}")" --dumpdir "$(realpath -m "${dumpdir}/tok1")" --expdir "$(realpath -m "${expdir}/tok1/exp")" \
            --train_set "${train_set}" --valid_set "${valid_set}" --token_sets "${sets}" --eval_sets "${test_set}" \
            --tokenizers "$(IFS=,; echo "$*")" ${encoder:+--encoder "${encoder}"} ${layer:+--layer "${layer}"} ${codes:+--codes "${codes}"} ${tok_args}
        stage_done
    fi
    for tokenizer in "$@"; do
        if stage "${number}" "${name}" "${dumpdir}/${tokenizer}" "links to the tokens of ${tokenizer}" --in "${expdir}/tok1" --opt "${sets}"; then
            found=("${dumpdir}"/tok1/*/"${tokenizer}")  # of whichever features that recipe took
            if [ ${#found[@]} -ne 1 ] || [ ! -d "${found[0]}" ]; then die "${dumpdir}/tok1: expected ${tokenizer} of one kind of features, found ${found[*]}"; fi
            for set in ${sets}; do ln -sfn "$(realpath "${found[0]}/${set}")" "${dumpdir}/${tokenizer}/${set}"; done
            stage_done
        fi
    done
}

codec_stage() {
    local number=$1 name=$2 codec=$3 out=$4/$5 set=$5
    shift 5
    if stage "${number}" "${name}" "${out}" "codes of ${set}" --in "${datadir}" "$@" --opt "${max_bad_rate}"; then
        run_jobs "${out%/*}/logs/${set}" python -m codec_ssl.bin.extract_codes --codec "${codec}" --data_dir "${datadir}/${set}" \
            --store "${out}" --max_bad_rate "${max_bad_rate}" --device "${device}"
        stage_done
    fi
}
