"""Mel spectra as vocoders of ESPnet and parallel_wavegan take them.

Letters: B batch, T frames, N samples, M mel bands.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from codec_ssl.errors import ConfigError
from codec_ssl.features.base import WaveEncoder

# Says beside a feature cache how its spectra were made.
CONF_NAME = "mel.json"


@dataclass(frozen=True)
class MelConf:
    """How spectra are made; a vocoder wants those that it was trained on.

    Attributes:
        sample_rate: In Hz.
        n_fft: Samples of the transform.
        hop_length: Samples from one frame to the next.
        n_mels: M.
        fmin: Lowest frequency in Hz.
        fmax: Highest frequency in Hz.
        win_length: Samples of the window; 0: as many as of the transform.

    Raises:
        ConfigError: A number is out of its range.
    """

    sample_rate: int = 16000
    n_fft: int = 1024
    hop_length: int = 256
    n_mels: int = 80
    fmin: int = 80
    fmax: int = 7600
    win_length: int = 0

    def __post_init__(self) -> None:
        positive = min(self.sample_rate, self.n_fft, self.hop_length, self.n_mels) > 0
        window = 0 <= self.win_length <= self.n_fft
        if not (positive and window and 0 <= self.fmin < self.fmax <= self.sample_rate / 2):
            raise ConfigError(
                "mel_conf: expected positive numbers, win_length up to n_fft and fmin < fmax up to "
                f"half the sample_rate, found {self}"
            )

    @property
    def window(self) -> int:
        """Samples of the window."""
        return self.win_length or self.n_fft


class VocoderMel(WaveEncoder):
    """Decadic logarithm of mel-banded magnitudes: ESPnet's ``LogMelFbank``, frames centred.

    Each utterance is transformed by itself, as the transform mirrors the signal at its ends: a
    padded batch would mirror the padding.

    Args:
        conf: How.
        device: Where to compute.
    """

    name = "vocoder_mel"
    num_layers = 0

    def __init__(self, conf: MelConf, device: str | torch.device = "cpu") -> None:
        # It needs librosa, which takes seconds to import.
        from espnet2.tts.feats_extract.log_mel_fbank import LogMelFbank

        self.device = torch.device(device)
        self.sample_rate, self.width = conf.sample_rate, conf.n_mels
        self.frame_rate = conf.sample_rate / conf.hop_length
        self.fingerprint = hashlib.sha256(
            f"{self.name}{json.dumps(asdict(conf))}".encode()
        ).hexdigest()
        self._hop, self._least = conf.hop_length, conf.n_fft // 2 + 1
        self._bank = LogMelFbank(
            fs=conf.sample_rate,
            n_fft=conf.n_fft,
            win_length=conf.window,
            hop_length=conf.hop_length,
            n_mels=conf.n_mels,
            fmin=conf.fmin,
            fmax=conf.fmax,
        ).to(self.device)

    def encode(
        self, inputs: Tensor, lens: Tensor, layers: Sequence[int]
    ) -> tuple[dict[int, Tensor], Tensor]:
        """See ``SpeechEncoder.encode``; the only layer is 0."""
        self.check_layers(layers)
        rows = [self._spectrum(wav[:length]) for wav, length in zip(inputs, lens, strict=True)]
        lengths = torch.tensor([len(row) for row in rows], device=self.device)
        return {0: torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)}, lengths

    def frames_of(self, num_samples: int) -> int:
        """Frames that so many samples give; none of what is too short to be mirrored."""
        return num_samples // self._hop + 1 if num_samples >= self._least else 0

    def samples_for(self, num_frames: int) -> int:
        """Least number of samples that give so many frames."""
        return max((num_frames - 1) * self._hop, self._least)

    def _spectrum(self, wav: Tensor) -> Tensor:
        with torch.no_grad():
            return self._bank(wav[None].to(self.device))[0][0]
