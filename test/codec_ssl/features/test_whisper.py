"""Whisper's encoder at true length, against the library's on its 30 s."""

import numpy as np
import pytest
import torch
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel
from transformers.models.whisper.modeling_whisper import sinusoids

from codec_ssl.features.factory import make_encoder

WIDTH = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small random Whisper, as transformers saves it."""
    torch.manual_seed(0)
    config = WhisperConfig(
        d_model=WIDTH,
        encoder_layers=3,
        encoder_attention_heads=2,
        encoder_ffn_dim=24,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=24,
        num_mel_bins=80,
    )
    model = WhisperModel(config)
    path = tmp_path_factory.mktemp("whisper")
    model.save_pretrained(path)
    return path


def wave(seconds, seed=0):
    return 0.1 * torch.randn(int(16000 * seconds), generator=torch.Generator().manual_seed(seed))


def encode(encoder, wav, layers):
    features, counts = encoder.encode(wav[None], torch.tensor([len(wav)]), layers)
    return {layer: found[0, : counts[0]] for layer, found in features.items()}


def test_on_thirty_seconds_it_is_the_library_without_the_last_norm(folder):
    encoder, wav = make_encoder(str(folder), None, "cpu"), wave(30)
    model = WhisperModel.from_pretrained(folder).eval().encoder
    mel = WhisperFeatureExtractor()(wav.numpy(), sampling_rate=16000, return_tensors="pt")
    with torch.no_grad():
        wanted = model(mel.input_features, output_hidden_states=True)
    found = encode(encoder, wav, [0, 1, 2, 3])
    for layer in (0, 1, 2):
        torch.testing.assert_close(found[layer], wanted.hidden_states[layer][0])
    normed = model.layer_norm(found[3])
    torch.testing.assert_close(normed, wanted.last_hidden_state[0])


def test_shorter_and_longer_audio_has_a_frame_for_each_320_samples(folder):
    encoder = make_encoder(str(folder), None, "cpu")
    for seconds in (0.5, 1.99, 30.5):
        wav = wave(seconds)
        found = encode(encoder, wav, [3])[3]
        assert len(found) == len(wav) // 320 == encoder.frames_of(len(wav))
        assert torch.isfinite(found).all()
    assert (encoder.frames_of(639), encoder.samples_for(2)) == (1, 640)


def test_positions_go_on_as_the_sinusoids_that_they_are(folder):
    encoder = make_encoder(str(folder), None, "cpu")
    assert torch.equal(encoder._positions(7), encoder._model.embed_positions.weight[:7])
    torch.testing.assert_close(encoder._positions(1800), sinusoids(1800, WIDTH))


def test_silence_after_the_audio_is_not_looked_at(folder):
    """Padded to 30 s, as Whisper does itself, frames attend to the silence."""
    encoder, wav = make_encoder(str(folder), None, "cpu"), wave(2)
    padded = torch.cat((wav, torch.zeros(28 * 16000)))
    found, other = encode(encoder, wav, [3])[3], encode(encoder, padded, [3])[3][:100]
    assert not np.allclose(found, other, atol=1e-2)
