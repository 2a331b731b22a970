#!/usr/bin/env bash
# Decoder-only ASR on discrete units (RepCodec, arXiv 2309.00169): from token stores and transcripts to error rates.
# Called by egs2/<corpus>/asr2/run.sh, which sets the options below; see README.md beside this file.
#
# Stages: 1 units (only where none are given), 2 data, 3 tokens, 4 pieces, 5 train, 6 decode, 7 score, 8 report
set -euo pipefail
cd "$(dirname "$0")"
. ./path.sh
. ./cmd.sh

# options
stage=1                # first stage, by number or name
stop_stage=8           # last stage, by number or name
nj=2                   # parallel jobs of decoding
ngpu=0                 # GPUs of one training (0: CPU); several are used through torch.distributed
num_nodes=1            # nodes of one training (more than 1 needs CMD_BACKEND=slurm)
datadir=               # data dirs by name: text is needed, utt2lang and utt2spk are used where they are there (default: those
                       # of upstream_dir)
dumpdir=dump           # what is made of them: joined sets, pieces
expdir=exp             # trained models, hypotheses, scores, report
dry_run=false          # true: print the plan and run nothing
size=                  # variant of the recipe: configs of conf/<size>
# Speech
tokens=                # folder of token stores by set name, as tok1 or "bin/tokens.py import" makes them
features=              # folder of feature caches by set name, in place of tokens: the continuous upper bound
upstream=              # the recipe that makes units where neither is given ...
upstream_dir=../tok1   # ... in DIR/data, DIR/dump and DIR/exp ...
upstream_args=         # ... with these options of it ...
upstream_tokens=       # ... and which of DIR/dump are read
tag=                   # name of the units in the names of what is made (default: from their path)
train_set=train        # sets to train on; several are joined
valid_set=valid        # sets for validation; several are joined
test_set="test"        # sets to transcribe and score, each by itself
# Text
vocab_size=5000        # pieces
pieces_args=           # more options of bin/train_sentencepiece.py, e.g. "--case lower --remove .,?!"
unusable_text=error    # skip: leave out utterances without a transcript or with an empty one
# Model
train_config=          # training config (default: conf/train_decoder_only.yaml)
train_args=            # more options for the training, as for ESPnet's trainer
checkpoint=best        # best, latest or an epoch number
decode_args=           # more options of bin/decode_asr.py, e.g. "--beam 1"
score_args=            # more options of bin/score_asr.py, e.g. "--by lang,spk"
# end options
. "${root}/utils/parse_options.sh"
. "${root}/utils/stages.sh"
. "${root}/utils/launch.sh"

train_config=${train_config:-conf/${size:+${size}/}train_decoder_only.yaml}
[ -f "${train_config}" ] || die "no training config ${train_config}"
datadir=${datadir:-${upstream_dir}/data}
made_here=false
if [ -z "${features}${tokens}" ] && [ -n "${upstream}" ]; then
    made_here=true tokens=${upstream_dir}/dump/${upstream_tokens:?say which --upstream_tokens}
fi
if [ -n "${features}" ]; then
    tokens="" speech=${features} kind=features,feature_cache option=--features
elif [ -n "${tokens}" ]; then
    speech=${tokens} kind=codes,token_store option=--store
else
    die "say what the speech is: --tokens DIR or --features DIR"
fi
# dump_512/hubert_large_l18/vq is 512_hubert_large_l18_vq, so that experiments on several units have several names
speech=${speech%/}
name=$(basename "${speech}")
if [[ ${speech} =~ ^(.*/)?dump[_/]+([^/].*)$ ]]; then name=${BASH_REMATCH[2]//\//_}; fi
name=${tag:-${features:+continuous_}${name}}
read -r -a train_sets <<<"${train_set}"
read -r -a valid_sets <<<"${valid_set}"
read -r -a test_sets <<<"${test_set}"
joined=${dumpdir}/${name}
pieces=${dumpdir}/pieces_${vocab_size}
exp=${expdir}/${name}_$(basename "${train_config}" .yaml)
recipe=${PWD#"${root}/"}
device=$([ "${ngpu}" -gt 0 ] && echo cuda || echo cpu)
job_gpu=$([ "${ngpu}" -gt 0 ] && echo 1 || echo 0)  # of one decoding job

# stores_of SPLIT SET...: where the speech of a split lies; several sets are joined by stage 3
stores_of() { if [ $# -gt 2 ]; then echo "${joined}/$1"; else echo "${speech}/$2"; fi; }
train_speech=$(stores_of train "${train_sets[@]}")
valid_speech=$(stores_of valid "${valid_sets[@]}")

# join_tables OUT SET...: text, utt2spk and utt2lang of several data dirs, in one
join_tables() {
    local out=$1 table set files
    shift
    mkdir -p "${out}"
    for table in text utt2spk utt2lang; do
        files=()
        for set in "$@"; do if [ -f "${datadir}/${set}/${table}" ]; then files+=("${datadir}/${set}/${table}"); fi; done
        if [ ${#files[@]} -eq $# ]; then
            LC_ALL=C sort "${files[@]}" > "${out}/${table}.tmp"
            mv "${out}/${table}.tmp" "${out}/${table}"
        elif [ "${table}" = text ]; then
            die "expected ${datadir}/<set>/text for every set of: $*; found only: ${files[*]:-none}"
        fi
    done
}

stages_begin "1 units" "2 data" "3 tokens" "4 pieces" "5 train" "6 decode" "7 score" "8 report"

data_inputs=() speech_inputs=()
if [ "${made_here}" = true ]; then
    if stage 1 units "${dumpdir}/units" "units by ${upstream}" --opt "${upstream} ${size} ${upstream_args} ${upstream_tokens}"; then
        # shellcheck disable=SC2086  # upstream_args is a list of options
        bash "${upstream}" --stop_stage tokens --ngpu "${ngpu}" --num_nodes "${num_nodes}" ${size:+--size "${size}"} \
            --datadir "$(realpath -m "${datadir}")" --dumpdir "$(realpath -m "${upstream_dir}/dump")" \
            --expdir "$(realpath -m "${upstream_dir}/exp")" ${upstream_args}
        stage_done
    fi
    # only for the plan: what is made there is an input of its own, wherever it came from
    if [ "${dry_run}" = true ]; then data_inputs+=(--in "${dumpdir}/units") speech_inputs+=(--in "${dumpdir}/units"); fi
fi
for set in "${train_sets[@]}" "${valid_sets[@]}"; do
    data_inputs+=(--in "${datadir}/${set}")
    speech_inputs+=(--in "${speech}/${set}")
done
if stage 2 data "${dumpdir}/data" "transcripts of all training and validation sets" "${data_inputs[@]}" \
    --opt "${train_set}" --opt "${valid_set}"; then
    join_tables "${dumpdir}/data/train" "${train_sets[@]}"
    join_tables "${dumpdir}/data/valid" "${valid_sets[@]}"
    stage_done
fi

# join_stores SPLIT SET...: one store of several
join_stores() {
    local split=$1 set paths=()
    shift
    if [ $# -eq 1 ]; then return 0; fi
    [ -n "${tokens}" ] || die "feature caches cannot be joined: cache the sets $* as one"
    for set in "$@"; do paths+=("${speech}/${set}"); done
    python -m codec_ssl.bin.tokens combine "${joined}/${split}" "${paths[@]}"
}
if stage 3 tokens "${joined}" "speech of all training and validation sets" "${speech_inputs[@]}" \
    --opt "${train_set}" --opt "${valid_set}"; then
    join_stores train "${train_sets[@]}"
    join_stores valid "${valid_sets[@]}"
    if [ -n "${tokens}" ]; then
        python -m codec_ssl.bin.tokens check "${train_speech}" --valid "${valid_speech}" --checksums false
        python -m codec_ssl.bin.tokens info "${train_speech}" | tee "${joined}/train.txt"
    fi
    stage_done
fi

if stage 4 pieces "${pieces}" "SentencePiece, ${vocab_size} pieces" --in "${dumpdir}/data" \
    --opt "${pieces_args} ${unusable_text}"; then
    # shellcheck disable=SC2086  # pieces_args is a list of options
    python -m codec_ssl.bin.train_sentencepiece --text "${dumpdir}/data/train/text" --out "${pieces}" \
        --vocab_size "${vocab_size}" --unusable_text "${unusable_text}" ${pieces_args}
    stage_done
fi

if stage 5 train "${exp}" "train on ${name}" --in "${dumpdir}/data" --in "${joined}" --in "${pieces}" "${speech_inputs[@]}" \
    --opt "$(grep -v '^max_epoch' "${train_config}")" --opt "${train_args} ${unusable_text}" \
    --extent "$(grep '^max_epoch' "${train_config}")"; then
    # shellcheck disable=SC2086  # train_args is a list of options
    run_training "${exp}" codec_ssl.bin.decoder_only_asr_train --config "${train_config}" --pieces "${pieces}" \
        --train_data_path_and_name_and_type "${train_speech},${kind}" \
        --train_data_path_and_name_and_type "${dumpdir}/data/train/text,text,transcripts" \
        --valid_data_path_and_name_and_type "${valid_speech},${kind}" \
        --valid_data_path_and_name_and_type "${dumpdir}/data/valid/text,text,transcripts" \
        --unusable_text "${unusable_text}" ${train_args}
    stage_done
fi

for set in "${test_sets[@]}"; do
    if stage 6 decode "${exp}/decode_${set}" "transcribe ${set}" --in "${exp}" --in "${speech}/${set}" \
        --opt "${checkpoint} ${decode_args}"; then
        # shellcheck disable=SC2086  # decode_args is a list of options
        run_jobs "${exp}/decode_${set}/logs/decode" python -m codec_ssl.bin.decode_asr --exp "${exp}" --checkpoint "${checkpoint}" \
            "${option}" "${speech}/${set}" --out "${exp}/decode_${set}" --device "${device}" ${decode_args}
        stage_done
    fi
done

score_inputs=()
for set in "${test_sets[@]}"; do
    out=${exp}/score_${set}
    score_inputs+=(--in "${out}")
    if stage 7 score "${out}" "error rates of ${set}" --in "${exp}/decode_${set}" --in "${datadir}/${set}" \
        --opt "${score_args} ${unusable_text}"; then
        # shellcheck disable=SC2086  # score_args is a list of options
        python -m codec_ssl.bin.score_asr --data_dir "${datadir}/${set}" --hyp "${exp}/decode_${set}" --out "${out}" \
            --set "${set//-/_}" --recipe "${recipe}" --unusable_text "${unusable_text}" --ignore_missing true ${score_args}
        stage_done
    fi
done

for set in "${test_sets[@]}"; do
    out=${exp}/perplexity_${set}
    score_inputs+=(--in "${out}")
    if stage 7 score "${out}" "perplexity of the transcripts of ${set}" --in "${exp}" --in "${speech}/${set}" --in "${datadir}/${set}" \
        --in "${dumpdir}/data" --opt "${checkpoint} ${unusable_text}"; then
        ${gpu_cmd} --gpu "${job_gpu}" --num_threads "${OMP_NUM_THREADS}" "${out}/perplexity.log" -- \
            python -m codec_ssl.bin.asr_perplexity --exp "${exp}" --checkpoint "${checkpoint}" "${option}" "${speech}/${set}" \
            --text "${datadir}/${set}/text" --train_text "${dumpdir}/data/train/text" --set "${set//-/_}" --recipe "${recipe}" \
            --unusable_text "${unusable_text}" --device "${device}" --out "${out}"
        stage_done
    fi
done

report_stores=$([ -z "${tokens}" ] || echo "${name}=${train_speech}")
if stage 8 report "${expdir}/report" "REPORT.md and plots" "${score_inputs[@]}"; then
    python -m codec_ssl.bin.report --expdir "${expdir}" --stores "${report_stores}" --title "Decoder-only ASR: ${recipe}" \
        --out "${expdir}/report"
    stage_done
    log "report: $(realpath "${expdir}")/report/REPORT.md"
fi
stages_end
