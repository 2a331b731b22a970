"""Raw codec embeddings are the codec's quantized latent; log-mel is librosa's, frame by frame."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from codec_ssl.errors import ConfigError, TokenError
from codec_ssl.features.baselines import CodecEmbeddings, LogMel

RATE, FRAME_RATE, HOP = 16000, 50.0, 320


def test_codec_embedding_is_the_sum_of_one_row_of_each_codebook():
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(3, 16, 5, generator=generator)
    codes = torch.randint(16, (2, 7, 3), generator=generator)
    encoder = CodecEmbeddings(vectors, FRAME_RATE)
    features, lens = encoder.encode(codes, torch.tensor([7, 4]), [0])
    expected = sum(vectors[q][codes[..., q]] for q in range(3))
    torch.testing.assert_close(features[0], expected)
    assert lens.tolist() == [7, 4]
    assert encoder.width == 5


def test_codec_embeddings_are_read_beside_the_store(tmp_path):
    with pytest.raises(TokenError, match=r"codebook\.safetensors.*'tokens'"):
        CodecEmbeddings.from_store(tmp_path, FRAME_RATE)
    vectors = torch.randn(2, 4, 3)
    save_file({"vectors": vectors}, tmp_path / "codebook.safetensors")
    encoder = CodecEmbeddings.from_store(tmp_path, FRAME_RATE)
    assert encoder.fingerprint == CodecEmbeddings(vectors, FRAME_RATE).fingerprint
    assert encoder.fingerprint != CodecEmbeddings(vectors + 1, FRAME_RATE).fingerprint
    with pytest.raises(TokenError, match="12 codebooks"):
        encoder.encode(torch.zeros(1, 4, 12, dtype=torch.long), torch.tensor([4]), [0])


@pytest.mark.parametrize("layers", [[1], [-1], []])
def test_a_baseline_has_only_layer_zero(layers):
    encoder = LogMel(RATE, FRAME_RATE)
    with pytest.raises(ConfigError, match="logmel"):
        encoder.encode(torch.zeros(1, 3200), torch.tensor([3200]), layers)


def test_log_mel_equals_librosa():
    librosa = pytest.importorskip("librosa")
    wav = np.random.default_rng(0).normal(size=50 * HOP).astype(np.float32)
    encoder = LogMel(RATE, FRAME_RATE)
    features, lens = encoder.encode(torch.from_numpy(wav)[None], torch.tensor([len(wav)]), [0])
    left = (encoder.window_size - HOP) // 2
    padded = np.pad(wav, (left, encoder.window_size - HOP - left))
    # librosa centres a short window in the FFT frame: undo that shift by padding.
    shift = (encoder.num_fft - encoder.window_size) // 2
    mel = librosa.feature.melspectrogram(
        y=np.pad(padded, (shift, encoder.num_fft - encoder.window_size - shift)),
        sr=RATE,
        n_fft=encoder.num_fft,
        hop_length=HOP,
        win_length=encoder.window_size,
        window="hann",
        center=False,
        power=2.0,
        n_mels=80,
        htk=True,
        norm=None,
    )
    assert lens.tolist() == [50]
    np.testing.assert_allclose(features[0][0].numpy(), np.log(mel.T), atol=1e-3)


@pytest.mark.parametrize("rate, frame_rate", [(16000, 50.0), (24000, 75.0), (44100, 44100 / 512)])
def test_log_mel_has_as_many_frames_as_the_codec_and_padding_does_not_leak(rate, frame_rate):
    encoder = LogMel(rate, frame_rate)
    torch.manual_seed(0)
    short, long = torch.randn(rate // 3), torch.randn(rate)
    batch = torch.full((2, rate), 9.0)
    batch[0, : len(short)], batch[1] = short, long
    features, lens = encoder.encode(batch, torch.tensor([len(short), rate]), [0])
    assert lens.tolist() == [-(-len(short) // encoder.hop), -(-rate // encoder.hop)]
    alone, _ = encoder.encode(short[None], torch.tensor([len(short)]), [0])
    torch.testing.assert_close(features[0][0, : lens[0]], alone[0][0])


def test_a_tone_lights_the_frame_in_which_it_sounds():
    wav = torch.zeros(20 * HOP)
    wav[10 * HOP : 11 * HOP] = torch.sin(torch.arange(HOP) * 2 * torch.pi * 1000 / RATE)
    features, _ = LogMel(RATE, FRAME_RATE).encode(wav[None], torch.tensor([len(wav)]), [0])
    assert features[0][0].exp().sum(1).argmax() == 10
