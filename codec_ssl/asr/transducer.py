"""ESPnet's ASR model with torchaudio's transducer loss.

ESPnet's own takes ``warprnnt_pytorch``, which is on no package index; everything else of the model
is ESPnet's.
"""

from typing import Any

import torchaudio
from espnet2.asr.decoder.abs_decoder import AbsDecoder
from espnet2.asr.espnet_model import ESPnetASRModel
from espnet2.asr.transducer.error_calculator import ErrorCalculatorTransducer
from torch import Tensor, nn


class TransducerLoss(nn.Module):
    """Mean over utterances of the negative log-likelihood of their labels.

    Args:
        blank: Number of the blank.
    """

    def __init__(self, blank: int) -> None:
        super().__init__()
        self.blank = blank

    def forward(
        self, logits: Tensor, targets: Tensor, frames: Tensor, target_lengths: Tensor
    ) -> Tensor:
        """Compute the loss.

        Args:
            logits: ``(B, T, U + 1, V)``, before the softmax.
            targets: ``(B, U)``.
            frames: ``(B,)``, the longest T.
            target_lengths: ``(B,)``, the longest U.

        Returns:
            The loss, ``()``.
        """
        # Half precision is not known to torchaudio's CPU code, and too coarse for sums over paths.
        lengths = (targets.int(), frames.int(), target_lengths.int())
        lengths = tuple(each.to(logits.device).contiguous() for each in lengths)
        longest = int(frames.max())
        logits = logits[:, :longest].float().contiguous()
        return torchaudio.functional.rnnt_loss(
            logits, *lengths, blank=self.blank, reduction="mean", fused_log_softmax=True
        )


class TransducerASRModel(ESPnetASRModel):
    """What ``model: transducer`` in a config is: ESPnet's options, another loss.

    Args:
        decoder: ESPnet's ``transducer``.
        joint_network: ESPnet's.
        report_cer: Measure CER in validation, with a beam of 2; slow.
        report_wer: The same for WER.
        options: Of ``ESPnetASRModel``.
    """

    def __init__(
        self,
        decoder: AbsDecoder,
        joint_network: nn.Module,
        report_cer: bool = False,
        report_wer: bool = False,
        **options: Any,
    ) -> None:
        # Given a joint network, ESPnet would import its own loss.
        super().__init__(
            decoder=decoder,
            joint_network=None,
            report_cer=report_cer,
            report_wer=report_wer,
            **options,
        )
        del self.criterion_att
        self.use_transducer_decoder = True
        self.joint_network = joint_network
        self.criterion_transducer = TransducerLoss(self.blank_id)
        self.error_calculator = None
        self.error_calculator_trans = None
        if report_cer or report_wer:
            symbols = (options.get("sym_space", "<space>"), options.get("sym_blank", "<blank>"))
            self.error_calculator_trans = ErrorCalculatorTransducer(
                decoder, joint_network, self.token_list, *symbols, report_cer, report_wer
            )
