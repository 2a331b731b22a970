"""Losses of Codec-ASR's codecs against librosa and sums written down by hand."""

import librosa
import numpy as np
import pytest
import torch

from codec_ssl.tasks.nac_losses import (
    MultiResolutionMelLoss,
    MultiResolutionSTFTLoss,
    RelativeFeatureMatchLoss,
)


@pytest.fixture
def signals() -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    return tuple(0.1 * torch.randn(2, 3000, generator=random) for _ in range(2))


def magnitudes(wav: torch.Tensor, n_fft: int) -> np.ndarray:
    spectra = [
        np.abs(librosa.stft(row, n_fft=n_fft, hop_length=n_fft // 4, pad_mode="reflect"))
        for row in wav.double().numpy()
    ]
    return np.stack(spectra)


def test_mel_distances_are_librosas(signals):
    n_ffts, guard = (128, 512), 1e-3
    absolute, squared = [], []
    for n_fft in n_ffts:
        bank = librosa.filters.mel(sr=16000, n_fft=n_fft, n_mels=20)
        made, true = (np.log(bank @ magnitudes(wav, n_fft) + guard) for wav in signals)
        absolute.append(np.abs(made - true).mean())
        squared.append(((made - true) ** 2).mean())
    found = MultiResolutionMelLoss(16000, n_ffts, n_mels=20, guard=guard)(*signals)
    assert [float(each) for each in found] == pytest.approx(
        [np.mean(absolute), np.mean(squared)], rel=1e-4
    )


def test_stft_distances_are_librosas(signals):
    expected = [
        np.abs(np.subtract(*(np.log(magnitudes(wav, n_fft) + 1.0) for wav in signals))).mean()
        for n_fft in (256, 1024)
    ]
    found = MultiResolutionSTFTLoss((256, 1024))(*signals)
    assert float(found) == pytest.approx(np.mean(expected), rel=1e-4)


def test_features_are_compared_relative_to_their_size_without_the_verdict():
    random = torch.Generator().manual_seed(0)
    shapes = [[(2, 3, 5), (2, 4, 6), (2, 1, 6)], [(2, 2, 4, 3), (2, 1, 4, 3)]]
    made, true = (
        [[torch.randn(shape, generator=random) for shape in layers] for layers in shapes]
        for _ in range(2)
    )
    means = []
    for ours, theirs in zip(made, true, strict=True):
        ratios = []
        for a, b in zip(ours[:-1], theirs[:-1], strict=True):
            a, b = a.numpy(), b.numpy()
            ratios.append((np.abs(a - b).mean(-1) / (np.abs(b).mean(-1) + 1e-3)).mean())
        means.append(np.mean(ratios))
    loss = RelativeFeatureMatchLoss()
    assert float(loss(made, true)) == pytest.approx(np.mean(means), rel=1e-5)
    louder = [[[10 * each for each in layers] for layers in side] for side in (made, true)]
    assert float(loss(*louder)) == pytest.approx(float(loss(made, true)), rel=1e-2)


def test_silence_has_finite_losses_and_gradients():
    made = torch.zeros(1, 4000, requires_grad=True)
    absolute, squared = MultiResolutionMelLoss(16000)(made, torch.zeros(1, 4000))
    (absolute + squared + MultiResolutionSTFTLoss()(made, torch.zeros(1, 4000))).backward()
    assert torch.isfinite(made.grad).all()
