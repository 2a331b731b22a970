"""From a text to audio by the command lines that a recipe calls."""

import json

import numpy as np
import pytest
import soundfile
import toy_tts

from codec_ssl.bin import tts_evaluate, tts_mel, tts_phones, tts_synthesize, tts_train
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.tables import read_table
from codec_ssl.errors import CheckpointError, ConfigError, DataError
from codec_ssl.report.results import read_results
from codec_ssl.tokens.store import TokenStore
from codec_ssl.tts.phone_store import PhoneStore

pytestmark = [pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, call):
    """A corpus, its codes and phones, and models of codes and of spectra that learnt a little."""
    root = tmp_path_factory.mktemp("commands")
    codec = toy_tts.make_codec(root / "codec")
    toy_tts.make_material(root, {"train": 10, "valid": 3, "test-one": 4}, codec)
    for name in ("train", "valid", "test-one"):
        words = ["--data_dir", root / "data" / name, "--out", root / "mel" / name]
        call(tts_mel, *words, "--mel_conf", "n_mels=20")
        words = ["--data_dir", root / "data" / name, "--frames", root / "mel" / name]
        for job in (1, 2):
            more = ["--job", job, "--num_jobs", 2, "--part_utterances", 2]
            out = ["--out", root / "mel_phones" / name]
            call(tts_phones, *words, *out, *more, "--finalize", str(job == 2).lower())
    call(tts_train, *toy_tts.command(root, root / "exp", "--codec", codec))
    call(tts_train, *toy_tts.command(root, root / "mel_exp", target="mel"))
    return root


def spoken(folder):
    data_dir = DataDir(folder)
    data_dir.validate()
    return {utt: soundfile.read(data_dir.source(utt).path)[0] for utt in data_dir.utt_ids}


def synthesize(call, root, out, *options, exp="exp"):
    call(tts_synthesize, "--exp", root / exp, "--out", out, *options)
    return spoken(out)


def test_a_text_becomes_a_wav_and_a_data_dir(trained, call, tmp_path, capsys):
    text = ["--text", "sil a e s sil", "--text_type", "phones", "--speaker", "bob"]
    wavs = synthesize(call, trained, tmp_path / "out", *text)
    assert list(wavs) == ["spoken"] and len(wavs["spoken"]) % 320 == 0
    assert capsys.readouterr().out == f"{tmp_path / 'out'}: 1 utterances\n"
    data_dir = DataDir(tmp_path / "out")
    assert data_dir.text == {"spoken": "sil a e s sil"} and data_dir.utt2spk == {"spoken": "bob"}
    ends = [segment.end for segment in data_dir.phones["spoken"]]
    assert ends[-1] == pytest.approx(len(wavs["spoken"]) / 16000, abs=1e-3)


@pytest.mark.parametrize("exp", ["exp", "mel_exp"])
def test_a_data_dir_is_spoken_the_same_by_any_number_of_jobs(trained, call, tmp_path, exp):
    data = ["--data_dir", trained / "data/test-one", "--text_type", "phones"]
    whole = synthesize(call, trained, tmp_path / "one", *data, exp=exp)
    monkey = pytest.MonkeyPatch()
    monkey.setattr("codec_ssl.tts.spoken_dir.PART_UTTERANCES", 1)
    monkey.setattr("codec_ssl.tts.spoken_dir.SpokenDir.__init__.__defaults__", (1,))
    try:
        for job in (1, 2, 3):
            words = [*data, "--job", job, "--num_jobs", 3, "--finalize", str(job == 3).lower()]
            call(tts_synthesize, "--exp", trained / exp, "--out", tmp_path / "three", *words)
    finally:
        monkey.undo()
    parts = spoken(tmp_path / "three")
    assert len(list((tmp_path / "three").glob("part-*"))) == 4
    assert whole.keys() == parts.keys() == set(DataDir(trained / "data/test-one").utt_ids)
    for utt, wav in whole.items():
        assert np.abs(wav - parts[utt]).max() < 1e-3
    assert DataDir(tmp_path / "one").labels("lang") == dict.fromkeys(whole, "toy")


def test_sampling_is_seeded_and_speed_shortens(trained, call, tmp_path):
    data = ["--data_dir", trained / "data/test-one", "--text_type", "phones"]
    found = {}
    for name, options in {
        "greedy": [],
        "one": ["--sampling", "sample", "--seed", 1],
        "again": ["--sampling", "sample", "--seed", 1],
        "two": ["--sampling", "sample", "--seed", 2, "--temperature", 0.7, "--top_k", 5],
        "fast": ["--speed", 2],
    }.items():
        wavs = synthesize(call, trained, tmp_path / name, *data, *options)
        found[name] = np.concatenate([wavs[utt] for utt in sorted(wavs)])
    assert np.array_equal(found["one"], found["again"])
    assert not np.array_equal(found["one"], found["two"])
    assert not np.array_equal(found["one"], found["greedy"])
    assert len(found["fast"]) < 0.8 * len(found["greedy"])


def test_reference_phones_and_their_prosody_can_be_spoken(trained, call, tmp_path):
    store = ["--phones", trained / "phones/test-one", "--data_dir", trained / "data/test-one"]
    taught = synthesize(call, trained, tmp_path / "taught", *store, "--teacher", "true")
    codes = TokenStore(trained / "codes/test-one")
    assert {utt: len(wav) // 320 for utt, wav in taught.items()} == {
        utt: codes.num_frames(utt) for utt in codes
    }
    free = synthesize(call, trained, tmp_path / "free", *store)
    assert free.keys() == taught.keys()
    with pytest.raises(ConfigError, match="--teacher true: expected --phones"):
        synthesize(call, trained, tmp_path / "x", "--text", "a", "--teacher", "true",
                   "--text_type", "phones")  # fmt: skip


def test_copies_are_what_the_codec_makes_of_its_codes(trained, call, tmp_path):
    from codec_ssl.codecs.base import load_codec

    words = ["--copy", trained / "codes/test-one", "--codec", trained / "codec"]
    words += ["--data_dir", trained / "data/test-one", "--num_codebooks", 3]
    call(tts_synthesize, *words, "--out", tmp_path / "copy")
    codec, codes = load_codec(trained / "codec"), TokenStore(trained / "codes/test-one")
    import torch

    for utt, wav in spoken(tmp_path / "copy").items():
        expected = codec.decode(torch.from_numpy(codes[utt][:, :3])[None])[0][0].numpy()
        np.testing.assert_allclose(wav, np.clip(expected, -1, 1), atol=1e-4)
    text = read_table(tmp_path / "copy/text")
    assert text == DataDir(trained / "data/test-one").text
    call(tts_synthesize, "--copy", trained / "mel/test-one", "--out", tmp_path / "mel",
         "--griffin_lim_iterations", 2)  # fmt: skip
    assert spoken(tmp_path / "mel").keys() == text.keys()


def test_what_cannot_be_spoken_is_said(trained, call, tmp_path):
    phones = ["--text_type", "phones", "--speaker", "ann"]
    for options, error, message in (
        (["--text", "a ʒ", *phones], DataError, "utterance spoken: .*'ʒ'"),
        (["--text", "a", "--text_type", "phones"], ConfigError, "--speaker, one of ann, bob"),
        (["--text", "a", *phones, "--speaker", "eve"], ConfigError, "found 'eve'"),
        (["--text", "hello", "--speaker", "ann", "--language", "en"], DataError, "found 'h'"),
        (["--text", "a", *phones, "--codec", "mini_16k"], Exception, "mini_16k|codec"),
        ([*phones], DataError, "give --text, --data_dir or --phones"),
        (["--text", "a", *phones, "--speed", "0"], ConfigError, "speed: expected a positive"),
        (["--text", "a", *phones, "--checkpoint", "9"], CheckpointError, "no such file"),
        (["--text", "a", *phones, "--num_codebooks", "2"], ConfigError, "is of --copy"),
        (
            ["--phones", trained / "phones/test-one", "--teacher", "true", "--speed", "2"],
            ConfigError,
            "take no --speed",
        ),
    ):
        with pytest.raises(error, match=message):
            synthesize(call, trained, tmp_path / "out", *options)
    with pytest.raises(ConfigError, match="either --exp or --copy"):
        call(tts_synthesize, "--out", tmp_path / "out")
    copy = ["--codec", trained / "codec", "--out", tmp_path / "out", "--num_codebooks"]
    for frames, number, message in (("codes", 9, "1 to 4, found 9"), ("mel", 2, "is of codes")):
        with pytest.raises(ConfigError, match=f"--num_codebooks.*{message}"):
            call(tts_synthesize, "--copy", trained / frames / "test-one", *copy, number)
    other = toy_tts.make_codec(tmp_path / "other", seed=3)
    with pytest.raises(CheckpointError, match="expected the codec that made the codes"):
        synthesize(call, trained, tmp_path / "out", "--text", "a", *phones, "--codec", other)


def test_unknown_symbols_can_be_skipped_and_folders_are_not_mixed(trained, call, tmp_path):
    text = ["--text", "a ʒ e", "--text_type", "phones", "--speaker", "ann"]
    skip = ["--unknown_symbols", "skip"]
    synthesize(call, trained, tmp_path / "out", *text, *skip)
    again = tmp_path / "out/wav/spoken.wav"
    before = again.stat().st_mtime_ns
    synthesize(call, trained, tmp_path / "out", *text, *skip)
    assert again.stat().st_mtime_ns == before
    with pytest.raises(DataError, match=r"found another synthesis\.json"):
        synthesize(call, trained, tmp_path / "out", *text, *skip, "--speed", 2)


def test_an_evaluation_leaves_a_table_pictures_and_results(trained, call, tmp_path, capsys):
    for exp, frames, phones in (("exp", "codes", "phones"), ("mel_exp", "mel", "mel_phones")):
        out = tmp_path / exp
        words = ["--exp", trained / exp, "--frames", trained / frames / "test-one"]
        words += ["--phones", trained / phones / "test-one", "--recipe", "egs2/toy/tts1"]
        call(tts_evaluate, *words, "--out", out)
        results = read_results(out / "results.json").results
        found = {result.metric: result for result in results}
        wanted = {"duration_error", "length_ratio", "pitch_correlation", "pitch_error"}
        assert wanted <= found.keys()
        assert found["duration_error"].scored["set"] == "test_one"
        assert found["duration_error"].scored["utterances"] == 4
        assert {path.name for path in out.glob("*.png")} == {"durations.png", "pitch.png"}
        table = (out / "scores.txt").read_text()
        assert table == capsys.readouterr().out and "duration error, ms" in table
        if exp == "exp":
            streams = [r for r in results if r.metric == "code_accuracy_by_stream"]
            assert [r.scored["stream"] for r in streams] == [1, 2, 3, 4]
            mean = np.mean([r.value for r in streams])
            assert found["code_accuracy"].value == pytest.approx(mean)
            assert "stream 4" in table
        else:
            assert found["mel_l1"].unit == "log10" and "mel L1" in table
    with pytest.raises(CheckpointError, match="expected frames of"):
        wrong = ["--exp", trained / "exp", "--frames", trained / "mel/valid"]
        call(tts_evaluate, *wrong, "--phones", trained / "mel_phones/valid", "--out", tmp_path)


def test_spectra_are_made_as_asked(trained, call, tmp_path):
    conf = json.loads((trained / "mel/train/mel.json").read_text())
    assert conf == {"sample_rate": 16000, "n_fft": 1024, "hop_length": 256, "n_mels": 20,
                    "fmin": 80, "fmax": 7600, "win_length": 0}  # fmt: skip
    for word in ("bands=3", "n_mels=many"):
        with pytest.raises(ConfigError, match="--mel_conf: expected NAME=N"):
            words = ["--data_dir", trained / "data/train", "--out", tmp_path]
            call(tts_mel, *words, "--mel_conf", word)


def test_phones_that_are_there_are_left_alone(trained, call):
    path = trained / "phones/train/phones.safetensors"
    before = path.stat().st_mtime_ns
    words = ["--data_dir", trained / "data/train", "--frames", trained / "codes/train"]
    call(tts_phones, *words, "--out", trained / "phones/train", "--finalize", "true")
    assert path.stat().st_mtime_ns == before and len(PhoneStore(path.parent)) == 10
    with pytest.raises(DataError, match=r"found another plan\.json"):
        call(tts_phones, *words, "--out", trained / "phones/train", "--f0_min", 60)
