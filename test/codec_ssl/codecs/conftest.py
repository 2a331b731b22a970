"""Small codecs of the packages' own classes with random weights, and signals to code."""

import csv
from pathlib import Path

import dac
import numpy as np
import pytest
import torch
from encodec import EncodecModel
from encodec import modules as encodec_modules
from encodec import quantization as encodec_quantization

from codec_ssl.codecs.dac import DACCodec
from codec_ssl.codecs.encodec import SegmentedEncodec, wrap_encodec

REAL_AUDIO = Path(__file__).resolve().parents[4] / "shared" / "data" / "real_audio"


def make_dac(sample_rate=16000, rates=(2, 4, 5, 8), seed=0):
    torch.manual_seed(seed)
    return dac.DAC(
        encoder_dim=4,
        encoder_rates=list(rates),
        decoder_dim=32,
        decoder_rates=list(rates)[::-1],
        n_codebooks=4,
        codebook_size=64,
        sample_rate=sample_rate,
    )


def fill_codebooks(quantizer, latents):
    """Codebooks on the scale of what they quantize; a fresh model's are all zero."""
    residual = latents
    generator = torch.Generator().manual_seed(5)
    for layer in quantizer.vq.layers:
        codebook = layer._codebook.embed
        pick = torch.randint(len(residual), (len(codebook),), generator=generator)
        codebook.copy_(residual[pick])
        residual = residual - layer.codebook[layer.encode(residual.t()[None])[0]]


def make_encodec(sample_rate=24000, causal=True, stereo_segments=False, seed=0):
    torch.manual_seed(seed)
    channels = 2 if stereo_segments else 1
    norm = "time_group_norm" if stereo_segments else "weight_norm"
    conf = dict(channels=channels, n_filters=4, dimension=16, norm=norm, causal=causal)
    model = EncodecModel(
        encodec_modules.SEANetEncoder(**conf),
        encodec_modules.SEANetDecoder(**conf),
        encodec_quantization.ResidualVectorQuantizer(dimension=16, n_q=4, bins=64),
        target_bandwidths=[3.0],
        sample_rate=sample_rate,
        channels=channels,
        normalize=stereo_segments,
        segment=1.0 if stereo_segments else None,
    ).eval()
    with torch.no_grad():
        wav = torch.randn(1, channels, sample_rate)
        fill_codebooks(model.quantizer, model.encoder(wav)[0].t())
    return model


@pytest.fixture(scope="session")
def codecs():
    """All kinds, by name."""
    return {
        "dac_16k": DACCodec(make_dac(), "dac_16k"),
        "dac_24k": DACCodec(make_dac(24000), "dac_24k"),
        "dac_44k": DACCodec(make_dac(44100, (2, 4, 8, 8)), "dac_44k"),
        "encodec_24k": wrap_encodec(make_encodec(), "encodec_24k"),
        "encodec_16k": wrap_encodec(make_encodec(16000, causal=False), "encodec_16k"),
        "encodec_48k": SegmentedEncodec(make_encodec(48000, False, True), "encodec_48k"),
    }


@pytest.fixture(scope="session")
def make_signal():
    def make(num_samples, seed=0):
        """Coloured noise: has energy at every scale, and no two frames alike."""
        rng = np.random.default_rng(seed)
        noise = rng.standard_normal(num_samples + 64)
        smooth = np.convolve(noise, np.hanning(64) / 16, mode="valid")[:num_samples]
        return (0.1 * (smooth + 0.3 * noise[:num_samples])).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def real_recordings():
    """A few recordings of each sample rate: ``{rate: [path]}``."""
    if not (REAL_AUDIO / "manifest.tsv").is_file():
        pytest.skip("no recordings beside the repository")
    by_rate = {}
    with open(REAL_AUDIO / "manifest.tsv", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            if 0.3 < float(row["duration_s"]) < 1.5:
                by_rate.setdefault(int(row["sample_rate"]), []).append(REAL_AUDIO / row["path"])
    return {rate: paths[:: max(1, len(paths) // 2)][:2] for rate, paths in by_rate.items()}


@pytest.fixture(scope="session")
def small_dac():
    return make_dac


@pytest.fixture(scope="session")
def small_encodec():
    return make_encodec
