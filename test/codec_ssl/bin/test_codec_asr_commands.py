"""Commands of ASR on codes: transcripts, vocabulary, training, decoding, ESPnet's own inference."""

import json

import pytest
import toy_asr

from codec_ssl.bin import asr_inference, asr_text, asr_vocabulary, codec_asr_decode, codec_asr_train
from codec_ssl.data.tables import read_table, write_table
from codec_ssl.errors import CheckpointError, ConfigError, DataError
from codec_ssl.tokens.store import TokenStore

pytestmark = [pytest.mark.timeout(500)]
MAKER = {"kind": "codec", "name": "toy_codec", "fingerprint": "a codec"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory, call):
    """A trained model of words of two languages."""
    folder = tmp_path_factory.mktemp("asr")
    for seed, (name, count, lang) in enumerate(
        (("one", 40, "eng"), ("two", 20, "deu"), ("valid", 6, "eng"), ("test", 7, "deu"))
    ):
        text, _ = toy_asr.make_set(folder, name, count, seed, MAKER, lang)
        wav = {utt: f"{utt}.wav" for utt in text}
        write_table(folder / "data" / name / "wav.scp", wav)
    toy_asr.make_set(folder, "foreign", 5, 9, {**MAKER, "fingerprint": "another codec"})
    data, text = folder / "data", folder / "text"
    for out, sets in (("train", ["one"]), ("valid", ["valid"]), ("test", ["test"])):
        options = ("--out", text / out, "--case", "upper", "--lang_token", "true")
        call(asr_text, "--data_dir", *(data / name for name in sets), *options)
    both = ("--data_dir", data / "one", data / "two")
    call(asr_text, *both, "--out", text / "both", "--lang_token", "true")
    options = ("--out", folder / "vocabulary", "--token_type", "char", "--lang_token", "true")
    call(asr_vocabulary, "--text", text / "both/target", *options)
    upper = text / "train/target"
    options = ("--token_type", "word", "--lang_token", "true")
    call(asr_vocabulary, "--text", upper, "--out", folder / "upper", *options)
    options = f"""--output_dir {folder}/exp --token_type word --max_epoch 1 --num_workers 0
        --token_list {folder}/upper/tokens.txt --num_iters_per_epoch 20 --batch_bins 4000
        --non_linguistic_symbols {folder}/upper/symbols.txt --optim adam --optim_conf lr=0.01
        --use_tensorboard false --frontend_conf output_dim=16 --frontend_conf init=random
        --frontend_conf codebook_dim=6 --encoder fast_conformer --encoder_conf output_size=16
        --encoder_conf subsampling=1 --encoder_conf num_blocks=1 --encoder_conf attention_heads=2
        --encoder_conf linear_units=32 --model_conf ctc_weight=1.0 --unfit skip""".split()
    for split, name in (("train", "one"), ("valid", "valid")):
        option = f"--{split}_data_path_and_name_and_type"
        options += [option, f"{folder}/store/{name},speech,token_store"]
        options += [option, f"{text}/{split}/target,text,text"]
    call(codec_asr_train, *options)
    return folder


def test_transcripts_are_normalised_and_labelled_with_their_language(trained):
    raw, text = read_table(trained / "data/test/text"), read_table(trained / "text/test/text")
    assert text == {utt: words.upper() for utt, words in raw.items()}
    target = read_table(trained / "text/test/target")
    assert target == {utt: f"[deu] {words}" for utt, words in text.items()}
    both = read_table(trained / "text/both/utt2lang")
    assert set(both.values()) == {"deu", "eng"} and len(both) == 60
    symbols = (trained / "vocabulary/symbols.txt").read_text().split()
    assert symbols == ["[deu]", "[eng]"]
    assert {*symbols} < {*(trained / "vocabulary/tokens.txt").read_text().split("\n")}


def test_languages_must_be_known_and_utterances_stand_in_one_set(trained, call, tmp_path):
    one = trained / "data/one"
    with pytest.raises(DataError, match="is in several data dirs"):
        call(asr_text, "--data_dir", one, one, "--out", tmp_path)
    for name in ("wav.scp", "text", "utt2spk"):
        write_table(tmp_path / name, read_table(one / name))
    with pytest.raises(DataError, match="expected utt2lang of every utterance"):
        call(asr_text, "--data_dir", tmp_path, "--out", tmp_path / "o", "--lang_token", "true")


def test_decoding_gives_what_espnets_own_command_gives(trained, call, tmp_path):
    store = trained / "store/test"
    exp = ("--exp", trained / "exp", "--store", store)
    for out, search in (("greedy", "greedy"), ("beam", "beam")):
        options = ("--out", tmp_path / out, "--search", search, "--beam", 4)
        call(codec_asr_decode, *exp, *options, "--finalize", "true")
    [model] = (trained / "exp").glob("valid.*.best.pth")
    call(
        asr_inference,
        *("--asr_train_config", trained / "exp/config.yaml", "--asr_model_file", model),
        *("--data_path_and_name_and_type", f"{store},speech,token_store", "--num_workers", 0),
        *("--output_dir", tmp_path / "espnet", "--beam_size", 4, "--ctc_weight", 1.0),
    )
    ours = read_table(tmp_path / "beam/text", allow_empty=True)
    assert ours == read_table(tmp_path / "espnet/1best_recog/text", allow_empty=True)
    assert read_table(tmp_path / "greedy/text", allow_empty=True).keys() == ours.keys()
    timing = json.loads((tmp_path / "greedy/timing.json").read_text())
    assert timing["decoding_seconds"] > 0
    assert timing["speech_seconds"] == pytest.approx(TokenStore(store).lengths.sum() / 50)


def test_several_jobs_give_the_same(trained, call, tmp_path):
    exp = ("--exp", trained / "exp", "--store", trained / "store/test", "--part_utterances", 2)
    call(codec_asr_decode, *exp, "--out", tmp_path / "one", "--finalize", "true")
    for job in (2, 1):
        more = ("--job", job, "--num_jobs", 2, "--finalize", str(job == 1).lower())
        call(codec_asr_decode, *exp, "--out", tmp_path / "two", *more)
    texts = [(tmp_path / name / "text").read_text() for name in ("one", "two")]
    assert texts[0] == texts[1]


def test_codes_of_another_codec_and_long_utterances_are_refused(trained, call, tmp_path):
    exp, out = ("--exp", trained / "exp"), ("--out", tmp_path / "no")
    with pytest.raises(CheckpointError, match="fingerprint"):
        call(codec_asr_decode, *exp, *out, "--store", trained / "store/foreign")
    with pytest.raises(DataError, match=r"at most --max_seconds 0.1, found \d longer ones"):
        call(codec_asr_decode, *exp, *out, "--store", trained / "store/test", "--max_seconds", 0.1)
    with pytest.raises(ConfigError, match="expected either --store or --data_dir"):
        call(codec_asr_decode, *exp, *out)
    with pytest.raises(DataError, match="bad audio: 7 of 7"):
        call(codec_asr_decode, *exp, *out, "--data_dir", trained / "data/test")
