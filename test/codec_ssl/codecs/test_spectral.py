"""The spectral codec: the promise of all codecs, and a spectrum that can be inverted."""

import math

import numpy as np
import pytest
import torch
import yaml
from torch.nn.utils.rnn import pad_sequence

from codec_ssl.codecs.base import load_codec
from codec_ssl.codecs.spectral import SpectralDecoder, SpectralEncoder, SpectralGenerator
from codec_ssl.errors import CodecError

PARAMS = {
    "width": 16,
    "num_blocks": 2,
    "hidden_dim": 8,
    "quantizer_n_q": 3,
    "quantizer_bins": 32,
    "quantizer_target_bandwidth": [0.75],
}


@pytest.fixture
def exp_dir(tmp_path):
    torch.manual_seed(0)
    generator = SpectralGenerator(PARAMS)
    for layer in generator.quantizer.vq.layers:
        layer._codebook.embed.normal_(0, 0.3)
    config = {
        "codec": "spectral",
        "codec_conf": {"sampling_rate": 16000, "generator_params": PARAMS},
    }
    (tmp_path / "exp").mkdir()
    (tmp_path / "exp" / "config.yaml").write_text(yaml.safe_dump(config))
    state = {f"codec.generator.{k}": v for k, v in generator.state_dict().items()}
    torch.save(state, tmp_path / "exp" / "latest.pth")
    return tmp_path / "exp"


def test_same_codes_alone_batched_and_chunked(exp_dir, make_signal):
    codec = load_codec(exp_dir)
    assert (codec.frame_rate, codec.num_codebooks, codec.latent_dim) == (50, 3, 8)
    wavs = [torch.from_numpy(make_signal(n, n)) for n in (1, 319, 320, 641, 5000, 16_001)]
    batch = pad_sequence(wavs, batch_first=True)
    codes, lens = codec.encode(batch, torch.tensor([len(wav) for wav in wavs]))
    latents, _ = codec.latent(batch, torch.tensor([len(wav) for wav in wavs]))
    for wav, row, latent, length in zip(wavs, codes, latents, lens, strict=True):
        alone = codec.encode(wav[None])[0][0]
        assert length == math.ceil(len(wav) / 320)
        torch.testing.assert_close(latent[:length], codec.latent(wav[None])[0][0])
        assert torch.equal(row[:length], alone)
        pieces = [piece.numpy() for piece in wav.split(997)]
        chunked = list(codec.encode_stream(pieces, chunk_seconds=0.2))
        assert len(wav) < 16_000 or len(chunked) > 2
        assert torch.equal(torch.cat(chunked), alone)


def test_codebook_vectors_add_up_to_the_quantized_latent(exp_dir):
    codec = load_codec(exp_dir)
    codes = torch.randint(32, (2, 9, 3))
    vectors = codec.codebook_vectors()
    total = sum(vectors[q][codes[..., q]] for q in range(3))
    expected = codec.model.quantizer.decode(codes.permute(2, 0, 1)).transpose(1, 2)
    torch.testing.assert_close(total, expected)


def test_spectrum_is_that_of_windows_centred_on_the_frames(make_signal):
    encoder = SpectralEncoder(320, 640, 8, 1, 4)
    wav = make_signal(5000)
    padded = np.pad(wav, (160, 1000))
    windows = np.stack([padded[t * 320 : t * 320 + 640] for t in range(16)])
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(640) / 640)
    expected = np.log(np.abs(np.fft.rfft(windows * hann)) + 1e-3)
    found = encoder.spectrum(torch.from_numpy(wav)[None, None])[0].t()
    np.testing.assert_allclose(found * 2.5 - 2.5, expected, atol=2e-3)


def test_the_true_spectrum_decodes_to_the_signal(make_signal):
    # A decoder whose network gives the signal's own magnitudes and phases must give the signal.
    decoder = SpectralDecoder(320, 640, 8, 1, 4)
    wav = torch.from_numpy(make_signal(320 * 20))
    windows = torch.nn.functional.pad(wav, (160, 160)).unfold(0, 640, 320)
    spectrum = torch.fft.rfft(windows * decoder.window).t()[None]
    log_magnitude = (spectrum.abs().clamp(min=1e-9).log() + 2.5) / 2.5
    decoder.network = torch.nn.Identity()
    decoded = decoder(torch.cat([log_magnitude, spectrum.angle()], dim=1))[0, 0]
    assert decoded.shape == wav.shape
    torch.testing.assert_close(decoded[160:-160], wav[160:-160], atol=1e-4, rtol=1e-3)


def test_keys_must_match_exactly(exp_dir):
    state = torch.load(exp_dir / "latest.pth", weights_only=True)
    state.pop("codec.generator.decoder.network.0.bias")
    torch.save(state, exp_dir / "latest.pth")
    with pytest.raises(CodecError, match=r"decoder\.network\.0\.bias"):
        load_codec(exp_dir)
