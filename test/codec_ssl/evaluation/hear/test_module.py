"""The HEAR API: the public validator passes, times are right, sounds don't depend on each other."""

import itertools
import math

import numpy as np
import pytest
import torch
import toy_waves
import yaml

from codec_ssl.errors import ConfigError
from codec_ssl.evaluation import hear
from codec_ssl.evaluation.hear.embedder import Embedder
from codec_ssl.evaluation.hear.module import HearModel
from codec_ssl.features.encodecmae import EncodecMAEEncoder
from codec_ssl.features.waves import make_wave_encoder
from codec_ssl.ssl.encodecmae import build_encodecmae


@pytest.fixture(scope="module")
def exp(tmp_path_factory):
    """A Codec2Vec experiment, and a HEAR model file beside it."""
    root = tmp_path_factory.mktemp("hear model")
    codec_file = toy_waves.make_codec(root / "codec")
    toy_waves.make_exp(root, codec_file)
    content = {"encoder": "exp", "codec": "codec/toy.pth", "layer": 2}
    (root / "hear.yaml").write_text(yaml.safe_dump(content))
    return root


def noise(num_sounds, num_samples, seed=0):
    return (
        2 * torch.rand(num_sounds, num_samples, generator=torch.Generator().manual_seed(seed)) - 1
    )


def test_the_public_validator_passes(exp, capsys):
    pytest.importorskip("hearvalidator", reason="HEAR's validator is not installed")
    from codec_ssl.evaluation.hear.validator import validate

    validate(str(exp / "hear.yaml"))
    assert "Checking get_scene_embeddings" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("rate", "asked"),
    [(16000, 16000), (24000, 48000), (8000, 16000), (22050, 22050), (20000, 22050)],
)
def test_the_validator_takes_every_rate_that_an_encoder_may_have(rate, asked, monkeypatch):
    pytest.importorskip("hearvalidator", reason="HEAR's validator is not installed")
    from codec_ssl.evaluation.hear.validator import validate

    model = HearModel(Embedder(toy_waves.Windows(rate)))
    monkeypatch.setattr(hear, "load_model", lambda path: model)
    assert model.sample_rate == asked
    validate("anything")


def test_a_faulty_model_fails_validation_with_the_validators_words(monkeypatch):
    pytest.importorskip("hearvalidator", reason="HEAR's validator is not installed")
    from codec_ssl.evaluation.hear.validator import validate

    model = HearModel(Embedder(toy_waves.Windows()))
    model.scene_embedding_size = 7
    monkeypatch.setattr(hear, "load_model", lambda path: model)
    with pytest.raises(ConfigError, match="Your model specified an embedding size"):
        validate("anything")


def test_attributes_and_embeddings_fit_together(exp):
    model = hear.load_model(str(exp / "hear.yaml"))
    audio = noise(3, 20000)
    scenes = hear.get_scene_embeddings(audio, model)
    frames, times = hear.get_timestamp_embeddings(audio, model)
    assert model.sample_rate == 16000
    assert scenes.shape == (3, model.scene_embedding_size) == (3, 32)
    assert frames.shape == (3, 63, model.timestamp_embedding_size)
    assert times.shape == (3, 63) and times.dtype == scenes.dtype == frames.dtype == torch.float32
    torch.testing.assert_close(scenes, frames.mean(1))
    torch.testing.assert_close(model(audio), scenes)
    encoder = make_wave_encoder(str(exp / "exp"), codec=str(exp / "codec/toy.pth"))
    expected, _ = encoder.encode(audio, torch.full((3,), 20000), [2])
    torch.testing.assert_close(frames, expected[2], rtol=1e-4, atol=1e-5)


def test_model_files_are_directories_checkpoints_yaml_files_or_names(exp):
    options = {"codec": str(exp / "codec/toy.pth"), "layer": 2}
    models = [
        hear.load_model(str(exp / "hear.yaml")),
        hear.load_model(str(exp / "exp"), **options),
        hear.load_model(str(exp / "exp" / "latest.pth"), **options),
    ]
    assert len({model.embedder.fingerprint for model in models}) == 1
    assert hear.load_model("logmel").scene_embedding_size == 80
    assert hear.load_model("logmel", pooling="mean_std").scene_embedding_size == 160


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": 3}, "unknown options layers"),
        ({"layer": 9}, "found layer 9"),
        ({"pooling": "max"}, "pooling"),
        ({"chunk_seconds": 0.001}, "chunk_seconds"),
    ],
)
def test_wrong_options_say_what_was_expected(options, message):
    with pytest.raises(ConfigError, match=message):
        hear.load_model("logmel", **options)


def test_wrong_files_and_audio_say_what_was_expected(tmp_path):
    with pytest.raises(ConfigError, match="found none"):
        hear.load_model()
    (tmp_path / "bad.yaml").write_text("layer: 2")
    with pytest.raises(ConfigError, match=r"bad\.yaml: expected encoder:"):
        hear.load_model(str(tmp_path / "bad.yaml"))
    with pytest.raises(ConfigError, match=r"found \(100,\)"):
        hear.get_scene_embeddings(torch.zeros(100), HearModel(Embedder(toy_waves.Windows())))


def test_times_are_the_centres_of_frames_and_never_behind_the_end():
    model = HearModel(Embedder(toy_waves.Windows()))  # 75 frames of 24 kHz a second
    for num_samples in (51360, 96000, 131520, 700):
        _, times = hear.get_timestamp_embeddings(noise(2, num_samples), model)
        count = math.floor(num_samples / 48000 * 75 + 0.5) or 1
        expected = (torch.arange(count, dtype=torch.float64) + 0.5) / 75 * 1000
        torch.testing.assert_close(times[1].double(), expected, rtol=1e-6, atol=1e-3)


def test_times_do_not_drift_over_twenty_minutes():
    embedder = Embedder(toy_waves.Windows(22050, 294))
    times = embedder.times(20 * 60 * 75)
    assert float(times[-1]) == pytest.approx(20 * 60 * 1000 - 500 / 75, abs=1e-3)


def test_audio_of_48_khz_is_halved_without_losing_what_lies_below_12_khz():
    model = HearModel(Embedder(toy_waves.Windows(width=320), layer=0))
    time = torch.arange(48000, dtype=torch.float64) / 48000
    low, high = (torch.sin(2 * math.pi * f * time).float()[None] for f in (1000, 15000))
    frames, _ = hear.get_timestamp_embeddings(low + high, model)
    wanted = torch.sin(2 * math.pi * 1000 * torch.arange(24000, dtype=torch.float64) / 24000)
    got = frames[0].flatten().double()
    assert (got - wanted)[500:-500].abs().max() < 0.01


def test_a_sound_is_the_same_alone_and_among_others(exp):
    embedder = hear.load_model(str(exp / "hear.yaml"), chunk_seconds=0.5).embedder
    wavs = [noise(1, n, seed=n)[0] for n in (20000, 4000, 9001, 100)]
    together = embedder.scenes(wavs)
    for place, wav in enumerate(wavs):
        torch.testing.assert_close(embedder.scenes([wav])[0], together[place], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("whole_frames", [False, True])
@pytest.mark.parametrize("num_samples", [320 * 40, 320 * 40 + 17, 320 * 7, 100, 320 * 10 + 1])
def test_chunks_have_the_frames_of_the_whole_and_are_no_longer_than_asked(
    num_samples, whole_frames
):
    encoder = toy_waves.Windows(width=400, whole_frames=whole_frames)
    wav = noise(1, num_samples)[0]
    whole = Embedder(encoder, 0, chunk_seconds=100).frames([wav])[0]
    encoder.longest = 0
    found = Embedder(encoder, 0, chunk_seconds=10 / 75).frames([wav])[0]
    assert len(found) == encoder.frames_of(max(num_samples, encoder.samples_for(1)))
    if whole_frames:  # each frame sees all of its window in its chunk
        torch.testing.assert_close(found, whole)
    # Ten frames, and a tail of up to 2048 samples that would be too short alone.
    assert encoder.longest <= 320 * 10 + 2048 + 400


@pytest.mark.parametrize("chunk", [10, 40])
def test_an_encodecmae_sees_whole_chunks_whatever_its_crops_were(chunk):
    config = {
        "input_conf": {"width": 8},
        "encoder_conf": {"num_layers": 2, "dim": 32, "num_heads": 2, "ffn_dim": 64},
        "target_conf": {"sizes": [4] * 8},
        "crop_frames": 10,
    }
    model = build_encodecmae(config).eval()
    source = toy_waves.Windows(width=8)
    embedder = Embedder(EncodecMAEEncoder(model, source, config, "m"), chunk_seconds=chunk / 75)
    wav = noise(1, 320 * 33)[0]
    features, _ = source.encode(wav[None], torch.tensor([len(wav)]), [0])
    whole = features[0][0]
    # Chunks of ten, the last with the three frames that would be too short alone; or all at once.
    ends = [10, 20, 33] if chunk == 10 else [33]
    expected = [
        model.extract(whole[None, begin:end], torch.tensor([end - begin]), [3])[3][0]
        for begin, end in itertools.pairwise([0, *ends])
    ]
    torch.testing.assert_close(embedder.frames([wav])[0], torch.cat(expected), rtol=1e-4, atol=1e-5)


def test_pooling_by_deviation_puts_it_behind_the_mean():
    wavs = [noise(1, 5000)[0], noise(1, 9000, 1)[0]]
    embedder = Embedder(toy_waves.Windows(), 0, pooling="mean_std")
    frames = embedder.frames(wavs)
    scenes = embedder.scenes(wavs)
    for row, found in zip(frames, scenes, strict=True):
        expected = np.concatenate([row.numpy().mean(0), row.numpy().std(0)])
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-6)


def test_groups_take_every_sound_once_shortest_first():
    embedder = Embedder(toy_waves.Windows(), batch_frames=30)
    lengths = [320 * n for n in (100, 5, 50, 200, 1, 90, 70)]
    groups = list(embedder.groups(lengths))
    assert sorted(place for group in groups for place in group) == list(range(7))
    in_order = [lengths[place] for group in groups for place in group]
    assert in_order == sorted(lengths) and len(groups) > 1
