"""Promises of the ASR task on codes and audio, each kept by a training through its command line."""

import json
import signal

import numpy as np
import pytest
import soundfile
import torch
import toy_asr
import yaml
from processes import kill_in_training
from safetensors.torch import save_file

from codec_ssl.asr.vocabulary import make_vocabulary
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.tables import read_table, write_table
from codec_ssl.errors import CheckpointError, ConfigError, DataError, TokenError
from codec_ssl.tokens.store import TokenStore

pytestmark = [pytest.mark.timeout(500)]
STEPS, WIDTH = 5, 6
CTC = ("--model_conf", "ctc_weight=1.0")
ATTENTION = (
    *("--decoder", "transformer", "--decoder_conf", "num_blocks=1"),
    *("--decoder_conf", "attention_heads=2", "--decoder_conf", "linear_units=16"),
    *("--model_conf", "ctc_weight=0.3"),
)
TRANSDUCER = (
    *("--model", "transducer", "--decoder", "transducer", "--decoder_conf", "hidden_size=16"),
    *("--joint_net_conf", "joint_space_size=16", "--model_conf", "ctc_weight=0.0"),
)


@pytest.fixture(scope="module")
def task():
    from codec_ssl.tasks.codec_asr import CodecASRTask

    return CodecASRTask


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Sets train, valid and other; ``foreign`` has codes of another codec."""
    folder = tmp_path_factory.mktemp("asr")
    maker = {"kind": "codec", "name": "toy_codec", "fingerprint": "a codec"}
    for seed, (name, count) in enumerate({"train": 60, "valid": 8, "other": 60}.items()):
        text, _ = toy_asr.make_set(folder, name, count, seed, maker)
        if name == "train":
            make_vocabulary(text.values(), folder / "vocabulary", "word")
            make_vocabulary(text.values(), folder / "characters", "char")
    toy_asr.make_set(folder, "foreign", 8, 1, maker={**maker, "fingerprint": "another codec"})
    return folder


@pytest.fixture
def command(root):
    """Command line of a training that takes seconds."""

    def build(output_dir, *more, train="train", valid="valid", text=None, tokens="vocabulary"):
        cmd = f"""--output_dir {output_dir} --token_list {root}/{tokens}/tokens.txt
            --token_type {"char" if tokens == "characters" else "word"} --max_epoch 2
            --num_workers 0 --num_iters_per_epoch {STEPS} --batch_bins 4000 --optim adam
            --optim_conf lr=0.003 --use_tensorboard false --frontend_conf output_dim=16
            --frontend_conf codebook_size=[16,8] --frontend_conf codebook_dim={WIDTH}
            --frontend_conf init=random --encoder fast_conformer --encoder_conf output_size=16
            --encoder_conf subsampling=1 --encoder_conf num_blocks=1
            --encoder_conf attention_heads=2 --encoder_conf linear_units=32""".split()
        for split, name in (("train", train), ("valid", valid)):
            option = f"--{split}_data_path_and_name_and_type"
            written = text if text and split == "train" else f"{root}/data/{name}/text"
            cmd += [option, f"{root}/store/{name},speech,token_store"]
            cmd += [option, f"{written},text,text"]
        return [*cmd, *more]

    return build


def run(task, cmd, kill_at=None):
    """Train; die after so many forward passes of training."""
    if kill_at is not None:
        from espnet2.asr.espnet_model import ESPnetASRModel

        kill_in_training(ESPnetASRModel, kill_at)
    task.main(cmd=cmd)


def read_config(folder):
    return yaml.safe_load((folder / "config.yaml").read_text())


def changed(root, tmp_path, **texts):
    """The training transcripts with some changed."""
    table = read_table(root / "data/train/text")
    for number, text in texts.items():
        table[sorted(table)[int(number[1:])]] = text
    write_table(tmp_path / "text", table)
    return str(tmp_path / "text")


@pytest.mark.parametrize(
    ("loss", "statistic"), [(CTC, "cer_ctc"), (ATTENTION, "acc"), (TRANSDUCER, "loss_transducer")]
)
def test_espnets_own_inference_takes_what_was_trained(
    tmp_path, task, command, root, loss, statistic
):
    run(task, command(tmp_path / "exp", *loss, "--max_epoch", "1"))
    [epoch] = json.loads((tmp_path / "exp/history.json").read_text())
    assert np.isfinite(epoch["valid"][statistic])
    from espnet2.bin.asr_inference import Speech2Text

    [best] = (tmp_path / "exp").glob("valid.*.best.pth")
    greedy = {"beam_size": 1, "ctc_weight": 1.0 if loss == CTC else 0.3}
    speech2text = Speech2Text(tmp_path / "exp/config.yaml", best, **greedy)
    trained = torch.load(best, weights_only=True)
    for name, value in speech2text.asr_model.state_dict().items():
        torch.testing.assert_close(value, trained[name], rtol=0, atol=0)
    for _, codes in zip(range(2), TokenStore(root / "store/valid").values(), strict=False):
        text, tokens, *_ = speech2text(codes)[0]
        assert {*tokens} <= {*speech2text.asr_model.token_list} and text == " ".join(tokens)


def test_a_small_model_learns_words_from_codes_and_is_decoded_in_batches(
    tmp_path, task, command, root
):
    from codec_ssl.tasks.codec_asr_decode import EncoderSearch, load_encoder_experiment

    more = (*CTC, "--num_iters_per_epoch", "60", "--optim_conf", "lr=0.01")
    run(task, command(tmp_path / "exp", *more))
    store = TokenStore(root / "store/valid")
    texts = read_table(root / "data/valid/text")
    experiment = load_encoder_experiment(tmp_path / "exp", store.frame_rate)
    experiment.check(store)
    found = {utt: each.text for utt, each in experiment.recognizer(store)}
    right = sum(found[utt] == text for utt, text in texts.items())
    assert found.keys() == texts.keys() and right >= 6
    alone = load_encoder_experiment(tmp_path / "exp", 50.0, batch_seconds=0.0)
    beam = load_encoder_experiment(
        tmp_path / "exp", 50.0, options=EncoderSearch(search="beam", beam=3)
    )
    assert {utt: each.text for utt, each in alone.recognizer(store)} == found
    assert sum(each.text == texts[utt] for utt, each in beam.recognizer(store)) >= right - 1
    with pytest.raises(CheckpointError, match="fingerprint"):
        experiment.check(TokenStore(root / "store/foreign"))


def test_killed_and_resumed_equals_uninterrupted(tmp_path, task, command, forked, same_run):
    more = [*CTC, "--frontend_conf", "specaugment={'time_masks':2}"]
    more += ["--frontend_conf", "noise={'level':0.1,'prob':0.5}"]
    run(task, command(tmp_path / "whole", *more))
    cut = command(tmp_path / "cut", *more)
    assert forked(run, task, cut, STEPS + 2) == -signal.SIGKILL
    run(task, cut)
    same_run(tmp_path / "whole", tmp_path / "cut")


def test_the_saved_config_needs_no_codebook_but_says_where_it_was(tmp_path, task, command, root):
    cmd = command(tmp_path / "exp", *CTC, "--max_epoch", "1", "--frontend_conf", "init=codebook")
    cmd += ["--frontend_conf", "codebook_size=16"]
    writer_sizes = (16, 16)
    for split in ("train", "valid"):
        old = TokenStore(root / "store" / split)
        maker = {"kind": "codec", "name": "toy_codec", "fingerprint": "a codec"}
        store = toy_asr.write_store(tmp_path / split, dict(old), maker, writer_sizes)
        table = torch.randn(2, 16, WIDTH, generator=torch.Generator().manual_seed(0))
        save_file({"vectors": table}, store.path / "codebook.safetensors")
        cmd = [str(word).replace(f"{root}/store/{split},", f"{store.path},") for word in cmd]
    run(task, [*cmd, "--optim_conf", "lr=0.0"])
    config = read_config(tmp_path / "exp")
    assert config["frontend_source"]["init"] == "codebook"
    assert config["frontend_source"]["codebook"] == f"{tmp_path}/train/codebook.safetensors"
    assert config["frontend_conf"]["codebook"] is None
    assert config["frontend_conf"]["codebook_size"] == 16
    weights = torch.load(tmp_path / "exp/latest.pth", weights_only=True)
    torch.testing.assert_close(weights["frontend.table"], table.flatten(0, 1))


@pytest.fixture(scope="module")
def audio(tmp_path_factory):
    """Data dirs of audio for the toy's transcripts."""
    folder = tmp_path_factory.mktemp("audio")
    random = np.random.default_rng(0)
    for name, count in (("train", 8), ("valid", 4)):
        texts = {f"{name}{n}": toy_asr.WORDS[n % 5] for n in range(count)}
        for utt in texts:
            soundfile.write(folder / f"{utt}.wav", 0.1 * random.normal(size=9000), 16000)
        wav = {utt: str(folder / f"{utt}.wav") for utt in texts}
        speakers = dict.fromkeys(texts, "s")
        DataDir.write(folder / name, wav=wav, utt2spk=speakers, text=texts)
    return folder


@pytest.mark.parametrize(
    "options",
    [
        ["default", "--frontend_conf", "n_mels=10"],
        ["codec_ssl_upstream", "--frontend_conf", "encoder=logmel"],
    ],
    ids=["log_mel", "frozen_encoder"],
)
def test_frames_of_audio_go_through_the_same_task(tmp_path, task, command, root, audio, options):
    from codec_ssl.data.waveforms import Waveforms
    from codec_ssl.tasks.codec_asr_decode import load_encoder_experiment

    cmd = [word for word in command(tmp_path / "exp", *CTC) if not word.startswith("--frontend")]
    drop = {"output_dim=16", "codebook_size=[16,8]", f"codebook_dim={WIDTH}", "init=random"}
    cmd = [word for word in cmd if word not in drop]
    for split in ("train", "valid"):
        data = f"{audio}/{split},speech,speech_16000"
        cmd = [w.replace(f"{root}/store/{split},speech,token_store", data) for w in cmd]
        cmd = [w.replace(f"{root}/data/{split}/text", f"{audio}/{split}/text") for w in cmd]
    options = ["--frontend", *options, "--normalize", "utterance_mvn"]
    with pytest.raises(ConfigError, match="--frontend codec_units doesn't take speech_16000"):
        run(task, cmd)
    with pytest.raises(ConfigError, match="fs 8000, but the audio is read at 16000 Hz"):
        run(task, [*cmd, *options, "--frontend_conf", "fs=8000"])
    run(task, [*cmd, *options])
    lengths = read_table(tmp_path / "exp/lengths/train")
    assert set(lengths.values()) == {str(round(9000 / 16))}  # milliseconds
    speech = Waveforms(audio / "valid", 16000)
    experiment = load_encoder_experiment(tmp_path / "exp", speech.frame_rate)
    experiment.check(speech)
    assert dict(experiment.recognizer(speech)).keys() == set(speech.utt_ids)
    with pytest.raises(CheckpointError, match="expected audio"):
        experiment.check(TokenStore(root / "store/valid"))


def test_symbols_outside_the_vocabulary_are_named(tmp_path, task, command, root, caplog):
    text = changed(root, tmp_path, u0="one six", u3="six seven")
    cmd = command(tmp_path / "exp", *CTC, "--max_epoch", "1", text=text)
    with pytest.raises(DataError, match="2 symbols are outside the vocabulary: 'six' 2 times") as e:
        run(task, cmd)
    assert f"such as in {sorted(read_table(text))[0]}" in str(e.value)
    run(task, [*cmd, "--unknown_symbols", "unk"])
    assert "taken for <unk>" in caplog.text


def test_utterances_that_do_not_fit_are_counted_and_named(tmp_path, task, command, root, caplog):
    text = changed(root, tmp_path, u0="one " * 40)
    first = sorted(read_table(text))[0]
    for loss, output in ((CTC, "ctc"), (TRANSDUCER, "rnnt")):
        cmd = command(tmp_path / output, *loss, "--max_epoch", "1", text=text)
        with pytest.raises(DataError, match=f"1 with fewer encoder frames than tokens .{first}"):
            run(task, cmd)
        run(task, [*cmd, "--unfit", "skip"])
        assert f"found 1 with fewer encoder frames than tokens ({first}" in caplog.text
        assert first not in read_table(tmp_path / output / "lengths/train")
        [epoch] = json.loads((tmp_path / output / "history.json").read_text())
        assert np.isfinite(epoch["train"]["loss"])
    # Attention needs no frame for each token.
    run(task, command(tmp_path / "att", *ATTENTION[:-1], "ctc_weight=0.0", text=text))
    cmd = command(tmp_path / "long", *CTC, "--max_seconds", "0.15")
    with pytest.raises(DataError, match=r"\d+ longer than --max_seconds 0.15"):
        run(task, cmd)


def test_codes_of_another_codec_are_refused(tmp_path, task, command):
    with pytest.raises(TokenError, match="both must be made by the same model"):
        run(task, command(tmp_path / "exp", *CTC, valid="foreign"))
    run(task, command(tmp_path / "exp", *CTC, "--max_epoch", "1"))
    with pytest.raises(CheckpointError, match="train"):
        run(task, command(tmp_path / "exp", *CTC, train="other"))
    with pytest.raises(CheckpointError, match="vocabulary"):
        run(task, command(tmp_path / "exp", *CTC, tokens="characters"))


def test_data_of_another_kind_are_refused(tmp_path, task, command, root):
    cmd = command(tmp_path / "exp", *CTC)
    with pytest.raises(ConfigError, match="expected STORE,speech,token_store or DATA_DIR"):
        run(task, [word.replace(",token_store", ",npy") for word in cmd])
    with pytest.raises(ConfigError, match=r"no such file nosuch\.txt"):
        run(task, [*cmd, "--token_list", "nosuch.txt"])
    with pytest.raises(ConfigError, match="--token_type is one of"):
        run(task, [*cmd, "--token_type", "phn"])
