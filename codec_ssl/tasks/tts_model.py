"""FastSpeech2 as ESPnet's trainer wants a model: a loss, statistics and a weight."""

from typing import Any

from espnet2.torch_utils.device_funcs import force_gatherable
from espnet2.train.abs_espnet_model import AbsESPnetModel
from torch import Tensor

from codec_ssl.tts.fastspeech2 import PhoneBatch, PhoneFastSpeech2


class ESPnetTTS(AbsESPnetModel):
    """Wraps a :class:`PhoneFastSpeech2`.

    Args:
        tts: The model.
    """

    def __init__(self, tts: PhoneFastSpeech2) -> None:
        super().__init__()
        self.tts = tts

    def forward(
        self,
        phones: Tensor,
        phones_lengths: Tensor,
        durations: Tensor,
        pitch: Tensor,
        energy: Tensor,
        speaker: Tensor,
        has_pitch: Tensor,
        **frames: Any,
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Compute the loss of one padded batch.

        Args:
            phones: ``(B, P)`` int64, 0 behind the end, as in all that follows.
            phones_lengths: ``(B,)``.
            durations: Frames of each phone ``(B, P)``.
            pitch: Normalised ``(B, P)``.
            energy: Normalised ``(B, P)``.
            speaker: ``(B, 1)``.
            has_pitch: Whether anything is voiced ``(B, 1)``, 0 or 1.
            frames: ``codes`` (B, T, Q) or ``features`` (B, T, M); lengths and the utterance ids,
                which ESPnet adds.

        Returns:
            Loss, statistics, and number of frames, each of shape ``(1,)``.
        """
        batch = PhoneBatch(phones, phones_lengths, speaker[:, 0], durations, pitch, energy)
        target = frames["codes"] if "codes" in frames else frames["features"]
        loss, stats, weight = self.tts(batch, target, has_pitch[:, 0].bool())
        return force_gatherable((loss, stats, weight), loss.device)

    def collect_feats(self, **batch: Tensor) -> dict[str, Tensor]:
        """Nothing to collect: lengths and statistics come from the stores."""
        return {}
