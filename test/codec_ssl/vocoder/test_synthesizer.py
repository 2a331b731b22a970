"""Waveforms of token stores, through the command line as far as files go."""

import numpy as np
import pytest
import soundfile
import torch
import toy_vocoder

from codec_ssl.bin import vocoder_synthesize
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.tables import read_table
from codec_ssl.errors import CheckpointError, ConfigError, DataError
from codec_ssl.tokens.store import TokenStore
from codec_ssl.vocoder.experiment import VocoderFacts, load_vocoder
from codec_ssl.vocoder.synthesizer import Line, StoreSpeaker, VocoderSynthesizer
from codec_ssl.vocoder.units import align, deduplicate

DURATIONS = {"durations": True, "duration_params": {"channels": 4}}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Experiments ``plain``, ``durations``, ``voices`` (table, F0), ``vectors``."""
    folder = tmp_path_factory.mktemp("vocoder")
    toy_vocoder.make_corpus(folder)
    toy_vocoder.make_exp(folder / "plain")
    toy_vocoder.make_exp(folder / "durations", conf=DURATIONS)
    toy_vocoder.make_exp(folder / "voices", "table", pitch=True)
    toy_vocoder.make_exp(folder / "vectors", "resemblyzer")
    return folder


def options(root, exp, out, *more):
    store = ["--store", root / "codes/test", "--data_dir", root / "data/test"]
    f0 = ["--f0_store", root / "f0/test"] if exp == "voices" else []
    return ["--exp", root / exp, *store, *f0, "--out", out, *more]


def wavs_of(folder):
    data_dir = DataDir(folder)
    return {utt: soundfile.read(data_dir.source(utt).path)[0] for utt in data_dir.utt_ids}


@pytest.mark.parametrize("batch_frames", [1, 80, 1000])
def test_waveforms_are_the_generators_of_each_utterance_alone(root, batch_frames):
    vocoder = load_vocoder(root / "voices")
    codes, f0 = TokenStore(root / "codes/test"), TokenStore(root / "f0/test")
    lines, expected = {}, {}
    for number, utt in enumerate(codes):
        pitch = align(f0[utt], range(len(codes[utt])), 12.5, 50.0)[:, 0]
        lines[utt] = Line(codes[utt], ("ann", "bob", "cat")[number % 3], pitch)
        with torch.no_grad():
            expected[utt] = vocoder.model(
                torch.from_numpy(codes[utt])[None],
                torch.tensor([len(codes[utt])]),
                torch.tensor([number % 3]),
                torch.from_numpy(pitch)[None],
            )[0].numpy()
    made = dict(VocoderSynthesizer(vocoder, batch_frames)(lines))
    assert made.keys() == expected.keys()
    for utt, wav in made.items():
        assert len(wav) == len(codes[utt]) * 320
        np.testing.assert_allclose(wav, expected[utt], rtol=1e-4, atol=1e-6)


def test_the_command_writes_a_data_dir_whatever_the_number_of_jobs(tmp_path, root, call):
    call(vocoder_synthesize, *options(root, "voices", tmp_path / "one"))
    for job in (1, 2):
        more = ["--job", job, "--num_jobs", 2, "--finalize", job == 2]
        call(vocoder_synthesize, *options(root, "voices", tmp_path / "two", *more))
    one, two = wavs_of(tmp_path / "one"), wavs_of(tmp_path / "two")
    source, made = DataDir(root / "data/test"), DataDir(tmp_path / "one")
    assert (made.utt2spk, made.text) == (source.utt2spk, source.text)
    codes = TokenStore(root / "codes/test")
    for utt, wav in one.items():
        assert len(wav) == codes.num_frames(utt) * 320 and wav.any()
        np.testing.assert_array_equal(wav, two[utt])


def test_joined_units_last_as_long_as_the_model_says(root, tmp_path, call):
    vocoder = load_vocoder(root / "durations")
    codes = TokenStore(root / "codes/test")
    call(vocoder_synthesize, *options(root, "durations", tmp_path, "--deduplicate", "true"))
    for utt, wav in wavs_of(tmp_path).items():
        units = torch.from_numpy(deduplicate(codes[utt])[0])[None]
        frames = vocoder.model.predict_durations(units, torch.tensor([units.size(1)]))
        assert (frames >= 1).all() and len(wav) == int(frames.sum()) * 320


def test_conversion_gives_other_voices_and_references_of_them(root, tmp_path, call):
    more = ["--voice_conversion", 5, "--reference_dir", root / "data/train"]
    call(vocoder_synthesize, *options(root, "voices", tmp_path / "to", *more))
    call(vocoder_synthesize, *options(root, "voices", tmp_path / "same"))
    call(vocoder_synthesize, *options(root, "vectors", tmp_path / "other", *more))
    source, made = DataDir(root / "data/test"), DataDir(tmp_path / "to")
    train = DataDir(root / "data/train")
    # cat is of the training, but nowhere to be heard.
    swap = {"ann": "bob", "bob": "ann"}
    assert made.utt2spk == {utt: swap[own] for utt, own in source.utt2spk.items()}
    assert DataDir(tmp_path / "other").utt2spk == made.utt2spk
    references = read_table(tmp_path / "to/target2ref")
    assert {u: train.utt2spk[r] for u, r in references.items()} == made.utt2spk
    heard = DataDir(tmp_path / "to/target_reference")
    assert all(heard.source(u).path == train.source(r).path for u, r in references.items())
    same, converted = wavs_of(tmp_path / "same"), wavs_of(tmp_path / "to")
    assert all(len(same[u]) == len(w) and (same[u] != w).any() for u, w in converted.items())


@pytest.mark.parametrize(
    ("exp", "more", "error", "message"),
    [
        ("plain", ("--voice_conversion", 1), ConfigError, "tells speakers apart"),
        ("plain", ("--reference_dir", "x"), ConfigError, "is of --voice_conversion"),
        ("plain", ("--deduplicate", "true"), ConfigError, "a vocoder with durations"),
        ("plain", ("--f0_store", "f0"), ConfigError, "expected no F0 codes"),
        ("vectors", ("--f0_store", "f0"), ConfigError, "expected no F0 codes"),
        ("voices", ("--f0_store", "codes"), CheckpointError, "expected 5 F0 codes"),
        ("plain", ("--store", "valid"), DataError, "units of every utterance"),
        ("plain", ("--store", "f0"), CheckpointError, "kind of maker"),
        ("plain", ("--checkpoint", "7"), CheckpointError, "no such file"),
    ],
)
def test_what_does_not_belong_together_is_refused(root, tmp_path, call, exp, more, error, message):
    paths = {"f0": "f0/test", "codes": "codes/test", "valid": "codes/valid", "x": "data/train"}
    more = [root / paths[each] if each in paths else each for each in more]
    with pytest.raises(error, match=message):
        call(vocoder_synthesize, *options(root, exp, tmp_path / "out", *more))


def test_an_unknown_speaker_is_named(root):
    vocoder, store = load_vocoder(root / "voices"), TokenStore(root / "codes/test")
    speakers = dict.fromkeys(store, "eve")
    with pytest.raises(ConfigError, match=r"3 speakers of the training.*found 'eve'"):
        StoreSpeaker(vocoder, store, speakers, TokenStore(root / "f0/test"))
    # A vocoder of one voice doesn't ask.
    assert StoreSpeaker(load_vocoder(root / "plain"), store, speakers).utt_ids == store.utt_ids


def test_facts_survive_the_configuration_and_fingerprints_tell_weights_apart(root, tmp_path):
    voices = load_vocoder(root / "voices")
    assert VocoderFacts.from_plain(voices.facts.to_plain()) == voices.facts
    assert (voices.facts.hop, voices.facts.frame_rate) == (320, 50.0)
    found = {load_vocoder(root / name).fingerprint for name in ("plain", "voices", "vectors")}
    assert len(found) == 3
    assert load_vocoder(root / "voices").fingerprint == voices.fingerprint
    with pytest.raises(ConfigError, match="whole number of samples"):
        VocoderFacts({**voices.facts.tokens, "frame_rate": 49.9}, 16000, "none", [], 0, None)
    (tmp_path / "config.yaml").write_text("model: x\n")
    torch.save({"vocoder.x": torch.zeros(1)}, tmp_path / "latest.pth")
    with pytest.raises(CheckpointError, match="experiment of vocoder_train"):
        load_vocoder(tmp_path, "latest")
