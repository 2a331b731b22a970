"""FastSpeech2 on mel spectra: the reference without discretisation (arXiv 2601.12205, Table 3).

Legend: B batch, T frames, N valid frames of a batch, M mel bands.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from codec_ssl.tts.fastspeech2 import PhoneBatch, PhoneFastSpeech2, Prosody, Statistics, valid


class MelFastSpeech2(PhoneFastSpeech2):
    """ESPnet's FastSpeech2: L1 loss before and after its postnet, over valid frames.

    The batch normalisation of a postnet counts what padding it sees while training, as in ESPnet.
    """

    def frame_losses(
        self, decoded: Tensor, inside: Tensor, target: Tensor
    ) -> tuple[dict[str, Tensor], Statistics]:
        """L1 distance to the normalised spectra ``(B, T, M)``."""
        before, after = self._spectra(decoded, inside)
        wanted = target[inside]
        loss = F.l1_loss(before[inside], wanted)
        if self.postnet is not None:
            loss = loss + F.l1_loss(after[inside], wanted)
        return {"l1": loss}, {}

    @torch.no_grad()
    def spectra(self, batch: PhoneBatch, speed: float = 1.0) -> tuple[list[Tensor], Prosody]:
        """Normalised spectra ``(T, M)`` of each utterance, and the prosody.

        Args:
            batch: The phones.
            speed: Predicted durations are divided by it.
        """
        decoded, lens, prosody = self.decode(batch, speed)
        _, after = self._spectra(decoded, valid(lens))
        return [row[:length] for row, length in zip(after, lens.tolist(), strict=True)], prosody

    def _spectra(self, decoded: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
        before = self.head(decoded)
        if self.postnet is None:
            return before, before
        refined = self.postnet(before.transpose(1, 2), inside[:, None])
        return before, before + refined.transpose(1, 2)
