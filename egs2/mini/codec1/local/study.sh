#!/usr/bin/env bash
# The study of arXiv 2601.12205 on a folder of audio: one codec each for English speech, multilingual speech, and multilingual speech with
# other sounds; same config, steps and hours. All are scored on speakers, languages and sounds that none of them has heard.
#   bash local/study.sh --audio_dir DIR --manifest TSV --hours 0.3 --unseen_languages "es fr it"
# The manifest needs columns speaker and language (empty for what is no speech). Options of codec.sh may follow after --.
set -euo pipefail
cd "$(dirname "$0")/.."
. ./path.sh
# options
audio_dir=             # the folder of audio
manifest=              # its table
hours=0.3              # hours that each codec is trained on, in equal parts: English; and other languages; and other sounds
languages=de           # languages beside English to train on
unseen_languages=es    # languages to score on that no codec is trained on
speech=                # columns and values to choose speech by, e.g. "corpus=librispeech,emodb_2s" (default: every language above)
sounds=                # the same for other sounds, e.g. "corpus=esc10,smstools" (default: every row without a language)
conditions="english multilingual multilingual_audio"  # codecs to train
fractions=0.8,0.1,0.1  # shares of the speakers (of other sounds: of the recordings) for training, validation and scoring
seed=0                 # of splits, of what is drawn, and of the trainings
train_args=            # more options for every training, e.g. "--max_epoch 20"
out=study              # folder of data, codecs and scores
# end options: [options-of-codec.sh...]
. "${root}/utils/parse_options.sh"
[ -n "${audio_dir}" ] && [ -n "${manifest}" ] || { echo "error: say --audio_dir and --manifest" >&2; exit 1; }
for condition in ${conditions}; do  # before hours of training
    case ${condition} in english | multilingual | multilingual_audio) continue ;; esac
    echo "error: --conditions are english, multilingual and multilingual_audio, not '${condition}'" >&2
    exit 1
done
comma() { tr ' ' ',' <<<"$1"; }
part() {  # part NAME FRACTIONS WHERE...: data dirs of some rows; nobody is in two of them
    local where=() each
    for each in "${@:3}"; do if [ -n "${each}" ]; then where+=(--where "${each}"); fi; done
    python -m codec_ssl.bin.prepare_data folder --audio_dir "${audio_dir}" --manifest "${manifest}" --out_dir "${out}/data/$1" \
        --fractions "$2" --split_by speaker --seed "${seed}" --max_duration 20 "${where[@]}"
}
data_dir() { python -m codec_ssl.bin.data_dir "$@"; }

part english "${fractions}" language=en "${speech}"
part others "${fractions}" "language=$(comma "${languages}")" "${speech}"
part sounds "${fractions}" language= "${sounds}"
part unseen 0,0,1 "language=$(comma "${unseen_languages}")" "${speech}"
for condition in ${conditions}; do
    case ${condition} in
        english) groups=(english) ;;
        multilingual) groups=(english others) ;;
        multilingual_audio) groups=(english others sounds) ;;
    esac
    data=${out}/data/${condition}_codec
    train=() valid=()
    for group in "${groups[@]}"; do
        share=$(awk -v hours="${hours}" -v groups="${#groups[@]}" 'BEGIN { print hours / groups }')
        data_dir subset --hours "${share}" --seed "${seed}" "${out}/data/${group}/train" "${data}/${group}"
        train+=("${data}/${group}") valid+=("${out}/data/${group}/valid")
    done
    data_dir combine "${data}/train" "${train[@]}"
    data_dir combine "${data}/valid" "${valid[@]}"
    data_dir combine "${data}/speech" "${out}/data/english/test" "${out}/data/others/test"
    data_dir combine "${data}/unseen_languages" "${out}/data/unseen/test"
    data_dir combine "${data}/unseen_sounds" "${out}/data/sounds/test"
    bash ./codec.sh --stage stats --datadir "${data}" --dumpdir "${out}/dump/${condition}" --expdir "${out}/exp/${condition}" \
        --tag "${condition}" --eval_sets "speech unseen_languages unseen_sounds" --train_args "--seed ${seed} ${train_args}" "$@"
done
if compgen -G "${out}/exp/*/score/*/*/results.json" >/dev/null; then  # with --metrics none there is nothing to count
    python -m codec_ssl.bin.best_worst "${out}"/exp/*/score --out "${out}/exp/best_worst" --metrics speech \
        --groups all_speech=speech,unseen_languages non_speech=unseen_sounds --set_metrics unseen_sounds=audio
fi
python -m codec_ssl.bin.report --expdir "${out}/exp" --title "Coverage of a codec's training data" --out "${out}/exp/report"
