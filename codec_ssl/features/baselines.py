"""Features that no training made: the yardsticks of a probe.

Letters: B batch, T frames, N samples, Q codebooks, K codebook size, D width, M mel bands.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
import torchaudio.functional as audio_functional
from safetensors.torch import load_file
from torch import Tensor

from codec_ssl.errors import TokenError
from codec_ssl.features.base import SpeechEncoder, WaveEncoder


class CodecEmbeddings(SpeechEncoder):
    """The sum of a codec's own codebook vectors: its quantized latent, with no context.

    Args:
        vectors: Codebook vectors (Q, K, D), whose sum over q is the quantized latent.
        frame_rate: Frames a second of the codes.
        device: Where to compute.
    """

    name = "codec"
    input_kind = "codes"
    num_layers = 0

    def __init__(
        self, vectors: Tensor, frame_rate: float, device: str | torch.device = "cpu"
    ) -> None:
        self.device = torch.device(device)
        self.frame_rate = frame_rate
        self.width = vectors.shape[-1]
        self._num_codebooks, self._size = vectors.shape[:2]
        contents = vectors.to("cpu", torch.float32).contiguous()
        self.fingerprint = hashlib.sha256(b"codec" + contents.numpy().tobytes()).hexdigest()
        self._table = contents.reshape(-1, self.width).to(self.device)

    @classmethod
    def from_store(
        cls, store_dir: str | Path, frame_rate: float, device: str | torch.device = "cpu"
    ) -> "CodecEmbeddings":
        """Read ``codebook.safetensors`` beside a store that a codec made.

        Raises:
            TokenError: If the store has no codebook file.
        """
        path = Path(store_dir) / "codebook.safetensors"
        if not path.is_file():
            raise TokenError(f"{path}: no codebook vectors beside the token store", stage="tokens")
        return cls(load_file(path)["vectors"], frame_rate, device)

    def encode(
        self, inputs: Tensor, lens: Tensor, layers: Sequence[int]
    ) -> tuple[dict[int, Tensor], Tensor]:
        """See ``SpeechEncoder.encode``; the only layer is 0."""
        self.check_layers(layers)
        if inputs.shape[-1] != self._num_codebooks:
            raise TokenError(
                f"codes have {inputs.shape[-1]} codebooks, the codebook file {self._num_codebooks}",
                stage="tokens",
            )
        offsets = torch.arange(self._num_codebooks, device=self.device) * self._size
        rows = (inputs.to(self.device) + offsets).flatten(0, -2)
        features = torch.nn.functional.embedding_bag(rows, self._table, mode="sum")
        return {0: features.view(*inputs.shape[:-1], self.width)}, lens.to(self.device)


class LogMel(WaveEncoder):
    """Log-mel energies, one frame for each codec frame, window centred on that frame.

    Args:
        sample_rate: Rate of the waveforms, Hz.
        frame_rate: Frames a second; the hop is ``sample_rate / frame_rate`` samples.
        num_mels: M, mel bands from 0 Hz to half the sample rate (HTK scale).
        window_seconds: Length of the Hann window.
        device: Where to compute.
    """

    name = "logmel"
    num_layers = 0

    def __init__(
        self,
        sample_rate: int,
        frame_rate: float,
        num_mels: int = 80,
        window_seconds: float = 0.025,
        device: str | torch.device = "cpu",
    ) -> None:
        self.device = torch.device(device)
        self.sample_rate, self.frame_rate, self.width = sample_rate, frame_rate, num_mels
        self.hop = round(sample_rate / frame_rate)
        self.window_size = max(round(window_seconds * sample_rate), self.hop)
        # A power of two below 512 leaves the lowest bands of the filter bank without a bin.
        self.num_fft = max(512, 1 << (self.window_size - 1).bit_length())
        self._window = torch.hann_window(self.window_size, device=self.device)
        self._bank = audio_functional.melscale_fbanks(
            self.num_fft // 2 + 1, 0.0, sample_rate / 2, num_mels, sample_rate
        ).to(self.device)
        settings = (sample_rate, frame_rate, num_mels, self.window_size, self.num_fft)
        self.fingerprint = hashlib.sha256(f"logmel{settings}".encode()).hexdigest()

    def encode(
        self, inputs: Tensor, lens: Tensor, layers: Sequence[int]
    ) -> tuple[dict[int, Tensor], Tensor]:
        """See ``SpeechEncoder.encode``; gives ceil(N / hop) frames, as codecs do."""
        self.check_layers(layers)
        wav, lens = inputs.to(self.device), lens.to(self.device)
        inside = torch.arange(wav.shape[1], device=self.device) < lens[:, None]
        num_frames = -(-wav.shape[1] // self.hop)
        margin = self.window_size - self.hop
        total = num_frames * self.hop + margin
        left = margin // 2
        padded = torch.nn.functional.pad(wav * inside, (left, total - left - wav.shape[1]))
        frames = padded.unfold(1, self.window_size, self.hop) * self._window
        power = torch.fft.rfft(frames, n=self.num_fft).abs().square()
        features = (power @ self._bank).clamp_min(1e-10).log()
        return {0: features}, -(-lens // self.hop)

    def frames_of(self, num_samples: int) -> int:
        """See ``WaveEncoder.frames_of``: ceil(N / hop), as codecs do."""
        return -(-num_samples // self.hop)

    def samples_for(self, num_frames: int) -> int:
        """Samples of so many whole frames."""
        return num_frames * self.hop
