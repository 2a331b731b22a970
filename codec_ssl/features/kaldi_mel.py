"""Kaldi's log-mel filter bank, one frame for each frame of a codec (EnCodecMAE's second version).

Letters: B batch, T frames, N samples, W samples of a window, M mel bands.
"""

import hashlib
import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torchaudio.compliance import kaldi

from codec_ssl.features.base import WaveEncoder

# Kaldi's own defaults.
_LOW_HZ, _PREEMPHASIS = 20.0, 0.97


class KaldiMel(WaveEncoder):
    """Log-mel energies as Kaldi computes them, scaled by fixed numbers, of a whole batch at once.

    The numbers are those of ``torchaudio.compliance.kaldi.fbank`` with a Hann window, no dither
    and ``snip_edges`` off, which takes one waveform at a time and makes its bands anew each time.

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
        self._window = torch.hann_window(
            int(window_ms * sample_rate * 0.001), periodic=False, device=self.device
        )
        self._num_fft = 1 << (len(self._window) - 1).bit_length()
        bands, _ = kaldi.get_mel_banks(
            num_mels, self._num_fft, sample_rate, _LOW_HZ, 0.0, 100.0, -500.0, 1.0
        )
        # (num_fft / 2 + 1, M): Kaldi's bands leave the highest bin out.
        self._bands = torch.nn.functional.pad(bands, (0, 1)).T.contiguous().to(self.device)
        self.fingerprint = hashlib.sha256(f"kaldi mel{settings}".encode()).hexdigest()

    def encode(
        self, inputs: Tensor, lens: Tensor, layers: Sequence[int]
    ) -> tuple[dict[int, Tensor], Tensor]:
        """See ``SpeechEncoder.encode``; the only layer is 0."""
        self.check_layers(layers)
        wav = inputs.to(self.device, torch.float32)
        counts = [self.frames_of(n) for n in lens.tolist()]
        # A last frame that is partly filled is filled with silence; what is then mirrored at the
        # ends must be a window at least.
        least = math.ceil(self.window_ms * self.sample_rate / 1000)
        totals = [max(count * self.hop, least) for count in counts]
        samples = torch.tensor([[n, total] for n, total in zip(lens.tolist(), totals, strict=True)])
        spectra = self._spectra(wav, samples.to(self.device), max(counts))
        energies = (spectra @ self._bands).clamp(min=torch.finfo(torch.float32).eps).log()
        frames = torch.tensor(counts, device=self.device)
        return {0: (energies - self.mean) / self.deviation}, frames

    def _spectra(self, wav: Tensor, samples: Tensor, num_frames: int) -> Tensor:
        """Power spectra of windows around each frame.

        Args:
            wav: ``(B, N)``.
            samples: Samples of each row, and those with the silence behind them ``(B, 2)``.
            num_frames: T of the longest.

        Returns:
            ``(B, T, num_fft / 2 + 1)``; frames past a row's end are undefined.
        """
        length, total = samples.unsqueeze(2).unbind(1)
        width = len(self._window)
        # Kaldi centres windows on their frames, and mirrors the waveform at both of its ends.
        first = self.hop // 2 - width // 2
        last = first + (num_frames - 1) * self.hop + width
        place = torch.arange(first, last, device=self.device)
        place = torch.where(place < 0, -1 - place, place)
        place = torch.where(place >= total, 2 * total - 1 - place, place)
        silent = (place < 0) | (place >= length)
        mirrored = wav.gather(1, place.clamp(0, wav.size(1) - 1)).masked_fill(silent, 0.0)
        windows = mirrored.unfold(1, width, self.hop)
        windows = windows - windows.mean(2, keepdim=True)
        # The first sample of a window has none before it: Kaldi takes itself.
        windows[..., 1:] -= _PREEMPHASIS * windows[..., :-1]
        windows[..., 0] *= 1.0 - _PREEMPHASIS
        spectra = torch.fft.rfft(windows * self._window, self._num_fft)
        return spectra.real.square().addcmul_(spectra.imag, spectra.imag)

    def frames_of(self, num_samples: int) -> int:
        """See ``WaveEncoder.frames_of``: ceil(N / hop), as codecs do."""
        return -(-num_samples // self.hop)

    def samples_for(self, num_frames: int) -> int:
        """Samples of so many whole frames."""
        return num_frames * self.hop
