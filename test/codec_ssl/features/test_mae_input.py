"""Inputs of EnCodecMAE: Kaldi's mel at the codec's frames, latents, quantized latents."""

import pytest
import torch
import toy_mae
from torchaudio.compliance import kaldi

from codec_ssl.errors import ConfigError
from codec_ssl.features.codec_latents import CodecLatents
from codec_ssl.features.factory import make_encoder
from codec_ssl.features.kaldi_mel import KaldiMel
from codec_ssl.features.mae_input import make_input


@pytest.fixture(scope="module")
def codec(tmp_path_factory):
    return toy_mae.make_codec(tmp_path_factory.mktemp("codec") / "codec")


def noise(samples, seed=0):
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(seed))


def test_mel_frames_are_kaldis_where_both_windows_lie_alike():
    """The authors advance by 318 samples; where that is set, the numbers are theirs."""
    wav = noise(24000)
    theirs = kaldi.fbank(
        wav[None],
        sample_frequency=24000,
        frame_shift=13.28,
        frame_length=26.56,
        num_mel_bins=256,
        window_type="hanning",
        htk_compat=True,
        use_energy=False,
        dither=0.0,
    )
    # Windows of 637 samples: ours are centred on their frames, theirs begin with them.
    shifted = wav[637 // 2 - 318 // 2 :]
    mel = KaldiMel(hop_length=318)
    ours = mel.encode(shifted[None], torch.tensor([len(shifted)]), [0])[0][0][0]
    inside = slice(1, len(theirs) - 2)  # Kaldi mirrors what is outside
    torch.testing.assert_close(ours[inside], ((theirs + 6.12) / 4.82)[inside], atol=1e-4, rtol=0)


def kaldis(mel, wav):
    """A waveform with the silence that fills its last frame, by the library: ``(T, M)``."""
    frames = mel.frames_of(len(wav))
    silence = max(frames * mel.hop, 638) - len(wav)
    found = kaldi.fbank(
        torch.nn.functional.pad(wav, (0, silence))[None],
        sample_frequency=mel.sample_rate,
        # Kaldi cuts the fraction of a sample off: the half keeps rounding from losing a whole.
        frame_shift=1000.0 * (mel.hop + 0.5) / mel.sample_rate,
        frame_length=mel.window_ms,
        num_mel_bins=mel.width,
        window_type="hanning",
        htk_compat=True,
        use_energy=False,
        snip_edges=False,
    )
    return (found[:frames] - mel.mean) / mel.deviation


@pytest.mark.parametrize(
    "conf",
    [{}, {"hop_length": 318, "num_mels": 80}, {"sample_rate": 16000, "window_ms": 25.0}],
    ids=["24k", "318", "16k"],
)
def test_mel_of_a_padded_batch_is_kaldis_of_each_recording_alone(conf):
    mel = KaldiMel(**conf)
    lengths = [24123, 9600, 9601, 700, 321, 320, 1]
    # What lies behind a recording's end must not matter.
    wavs = torch.stack([noise(max(lengths), seed) for seed in range(len(lengths))])
    found, frames = mel.encode(wavs, torch.tensor(lengths), [0])
    assert found[0].shape == (len(lengths), max(frames), mel.width)
    for row, wav, length, count in zip(found[0], wavs, lengths, frames.tolist(), strict=True):
        wanted = kaldis(mel, wav[:length])
        torch.testing.assert_close(row[:count], wanted, atol=1e-4, rtol=0)


@pytest.mark.parametrize("samples", [1, 320, 321, 9600, 24123])
def test_mel_has_a_frame_for_each_of_the_codec(codec, samples):
    mel = KaldiMel()
    found, frames = mel.encode(noise(samples)[None], torch.tensor([samples]), [0])
    assert frames.tolist() == [codec.num_frames(samples)] == [mel.frames_of(samples)]
    assert found[0].shape == (1, frames[0], 256) and found[0].isfinite().all()


@pytest.mark.parametrize("kind", ["mel", "latent", "quantized"])
def test_a_recording_gets_the_same_alone_and_in_a_batch(codec, kind):
    source = make_input(kind, {"width": 256} if kind == "mel" else {}, codec)
    wavs = torch.stack([noise(9000), noise(9000, 1)])
    both, frames = source.encode(wavs, torch.tensor([9000, 5000]), [0])
    alone, _ = source.encode(wavs[1:, :5000], torch.tensor([5000]), [0])
    assert frames.tolist() == [29, 16]
    torch.testing.assert_close(both[0][1, :16], alone[0][0], atol=1e-4, rtol=1e-4)
    assert source.samples_for(16) == 16 * 320 and source.frame_rate == 75.0


def test_quantized_latents_are_sums_of_codebook_vectors(codec):
    wav, lens = noise(6400)[None], torch.tensor([6400])
    codes, _ = codec.encode(wav, lens)
    vectors = codec.codebook_vectors()
    wanted = sum(vectors[q][codes[..., q]] for q in range(codec.num_codebooks))
    found = CodecLatents(codec, quantized=True).encode(wav, lens, [0])[0][0]
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
    plain = CodecLatents(codec)
    torch.testing.assert_close(plain.encode(wav, lens, [0])[0][0], codec.latent(wav, lens)[0])
    assert plain.fingerprint != CodecLatents(codec, quantized=True).fingerprint


def test_commands_know_the_inputs_by_name(codec, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp().glob("codec*/codec")
    spec = next(iter(folder))
    assert make_encoder(f"latent:{spec}", None, "cpu").name.startswith("latent:")
    assert make_encoder(f"quantized:{spec}", None, "cpu").width == codec.latent_dim
    assert make_encoder("mel", None, "cpu").width == 256
    with pytest.raises(ConfigError, match="expected --codec"):
        make_encoder("latent", None, "cpu")
    with pytest.raises(ConfigError, match="unknown options bands"):
        make_input("mel", {"bands": 3}, None)
    with pytest.raises(ConfigError, match="input must be one of"):
        make_input("wav", {}, None)
