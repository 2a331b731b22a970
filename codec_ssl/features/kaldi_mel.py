"""Kaldi's log-mel filter bank, one frame for each frame of a codec (EnCodecMAE's second version).

Letters: B batch, T frames, N samples, M mel bands.
"""

import hashlib
import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torchaudio.compliance import kaldi

from codec_ssl.features.base import WaveEncoder


class KaldiMel(WaveEncoder):
    """Log-mel energies as Kaldi computes them, scaled by fixed numbers.

    The authors advance by 13.28 ms, which Kaldi makes 318 samples of 24 kHz: against EnCodec's 320
    it falls behind by two frames in 4 s. Here the hop is the codec's, each window is centred on
    its frame, and N samples give ceil(N / hop) frames, so that inputs and targets of recordings of
    any length belong together.

    Args:
        sample_rate: Rate of the waveforms, Hz.
        hop_length: Samples a frame.
        num_mels: M.
        window_ms: Length of the Hann window in ms.
        mean: Subtracted from the energies.
        deviation: Then divided by.
        device: Where to compute.
    """

    name = "mel"
    num_layers = 0

    def __init__(
        self,
        sample_rate: int = 24000,
        hop_length: int = 320,
        num_mels: int = 256,
        window_ms: float = 26.56,
        mean: float = -6.12,
        deviation: float = 4.82,
        device: str | torch.device = "cpu",
    ) -> None:
        self.device = torch.device(device)
        self.sample_rate, self.frame_rate = sample_rate, sample_rate / hop_length
        self.hop, self.width, self.window_ms = hop_length, num_mels, window_ms
        self.mean, self.deviation = mean, deviation
        settings = (sample_rate, hop_length, num_mels, window_ms, mean, deviation)
        self.fingerprint = hashlib.sha256(f"kaldi mel{settings}".encode()).hexdigest()

    def encode(
        self, inputs: Tensor, lens: Tensor, layers: Sequence[int]
    ) -> tuple[dict[int, Tensor], Tensor]:
        """See ``SpeechEncoder.encode``; the only layer is 0."""
        self.check_layers(layers)
        wav = inputs.to(self.device)
        rows = [self._fbank(row[:n]) for row, n in zip(wav, lens.tolist(), strict=True)]
        frames = torch.tensor([len(row) for row in rows], device=self.device)
        return {0: torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)}, frames

    def _fbank(self, wav: Tensor) -> Tensor:
        """``(N,)`` to ``(T, M)``."""
        frames = self.frames_of(len(wav))
        # Kaldi wants a window at least, whatever is cut from the result then.
        length = max(frames * self.hop, math.ceil(self.window_ms * self.sample_rate / 1000))
        whole = torch.nn.functional.pad(wav, (0, length - len(wav)))
        energies = kaldi.fbank(
            whole.unsqueeze(0),
            sample_frequency=self.sample_rate,
            # Kaldi cuts the fraction of a sample off: the half keeps rounding from losing a whole.
            frame_shift=1000.0 * (self.hop + 0.5) / self.sample_rate,
            frame_length=self.window_ms,
            num_mel_bins=self.width,
            window_type="hanning",
            htk_compat=True,
            use_energy=False,
            snip_edges=False,
        )
        return (energies[:frames] - self.mean) / self.deviation

    def frames_of(self, num_samples: int) -> int:
        """See ``WaveEncoder.frames_of``: ceil(N / hop), as codecs do."""
        return -(-num_samples // self.hop)

    def samples_for(self, num_frames: int) -> int:
        """Samples of so many whole frames."""
        return num_frames * self.hop
