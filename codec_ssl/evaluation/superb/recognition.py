"""Tasks that write down what was said: phones, words, words with slots marked.

All are trained with CTC and read off greedily, without a language model. Phones have a linear
head; the others two bidirectional LSTMs, with the representations masked in training
(arXiv 2105.01051, section 3).

Letters: B utterances, T frames, D width, S symbols of a transcript, V of the vocabulary.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from s3prl.nn.linear import FrameLevelLinear
from s3prl.nn.rnn import RNNEncoder
from s3prl.nn.specaug import ModelWithSpecaug
from torch import Tensor, nn

from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.superb.tables import PHONES, SLOTS
from codec_ssl.data.tables import read_table
from codec_ssl.errors import ConfigError, DataError
from codec_ssl.evaluation.asr_wer import align
from codec_ssl.evaluation.superb.measure import Measure, ratio
from codec_ssl.evaluation.superb.metrics.slots import find_slots, score_slots
from codec_ssl.evaluation.superb.problem import Problem, Span
from codec_ssl.evaluation.superb.symbols import (
    BLANK,
    MarkedSymbols,
    Symbols,
    character_symbols,
    phone_symbols,
)
from codec_ssl.nn.lstm import pad_lstms

# Widest and number of masks over frames and over features, as s3prl sets them for SUPERB.
SPECAUG = {
    "time_mask_width_range": (0, 40),
    "num_time_mask": 2,
    "freq_mask_width_range": (0, 50),
    "num_freq_mask": 4,
}


class RecurrentHead(ModelWithSpecaug):
    """s3prl's ``RNNEncoder`` as SUPERB uses it, and its SpecAugment in front while training.

    Args:
        input_size: D.
        output_size: V.
        hidden_size: Width in each direction of each bidirectional LSTM.
        proj_size: Width of the linear layer in front of them.
        dropout: Rate behind each of them.
        specaug: Options of s3prl's ``SpecAug`` that differ from SUPERB's. Widths are in frames and
            features, whatever the frame rate.

    Raises:
        ConfigError: There are more or fewer rates of dropout than LSTMs.
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        hidden_size: Sequence[int] = (1024, 1024),
        proj_size: int = 1024,
        dropout: Sequence[float] = (0.2, 0.2),
        specaug: Mapping[str, Any] | None = None,
    ) -> None:
        if len(dropout) != len(hidden_size):
            raise ConfigError(
                f"head_conf: expected a dropout for each hidden_size {list(hidden_size)}, found"
                f" {list(dropout)}"
            )
        layers = len(hidden_size)
        encoder = RNNEncoder(
            input_size,
            output_size,
            module="LSTM",
            proj_size=proj_size,
            hidden_size=list(hidden_size),
            dropout=list(dropout),
            layer_norm=[False] * layers,
            proj=[False] * layers,
            sample_rate=[1] * layers,
            sample_style="concat",
            bidirectional=True,
        )
        pad_lstms(encoder)
        super().__init__(encoder, **SPECAUG | dict(specaug or {}))

    def forward(self, x: Tensor, x_len: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, T, V) and lengths of representations (B, T, D)."""
        # s3prl's SpecAugment writes into what needs no gradient, as a single layer does.
        return super().forward(x if x.requires_grad else x.clone(), x_len)


class Recognition(Problem):
    """Transcripts by CTC.

    Attributes:
        file: Name of the file of transcripts.
    """

    bucketed = True
    file: ClassVar[str]

    def __init__(
        self, vocabulary: Mapping[str, Any], head_conf: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(vocabulary, head_conf)
        self.symbols = self.make_symbols()

    @classmethod
    def read(cls, data_dir: DataDir) -> dict[str, Any]:
        """Transcripts; empty ones are left out, as nothing could be counted."""
        path = data_dir.path / cls.file
        if not path.is_file():
            raise DataError(f"{path}: expected a transcript a line, found no such file", "data")
        table = read_table(path, allow_empty=True)
        known = {utt: table[utt] for utt in data_dir.utt_ids if table.get(utt)}
        if not known:
            raise DataError(f"{path}: expected transcripts of the utterances, found none", "data")
        return known

    @classmethod
    def learn(cls, labels: Mapping[str, Any]) -> dict[str, Any]:
        """Characters, sorted."""
        return {"symbols": sorted({character for text in labels.values() for character in text})}

    @abstractmethod
    def make_symbols(self) -> Symbols:
        """What transcripts are made of, from the vocabulary."""

    def encode(self, label: Any, span: Span) -> np.ndarray:
        """Numbers of the symbols (S,), the end included."""
        return np.array(self.symbols.encode(label), dtype=np.int64)

    def build_head(self, width: int, frame_rate: float) -> nn.Module:
        """``RecurrentHead``: logits (B, T, V) and lengths (B,)."""
        return self.make_head(RecurrentHead, width, len(self.symbols))

    def loss(
        self, head: nn.Module, outputs: Any, targets: Tensor, target_lengths: Tensor
    ) -> Tensor:
        """CTC's, divided by each transcript's length; utterances too short for theirs add none."""
        logits, lengths = outputs
        return nn.functional.ctc_loss(
            logits.float().log_softmax(-1).transpose(0, 1),
            targets.clamp_min(BLANK),
            lengths,
            target_lengths,
            blank=BLANK,
            zero_infinity=True,
        )

    def predict(self, outputs: Any) -> Sequence[Any]:
        """Transcripts of the likeliest symbol of each frame, repeats and blanks taken away."""
        logits, lengths = outputs
        likeliest = logits.argmax(-1).cpu()
        return [
            self.symbols.decode(row[:length].unique_consecutive().tolist())
            for row, length in zip(likeliest, lengths.tolist(), strict=True)
        ]


class PhoneRecognition(Recognition):
    """PR: LibriSpeech's words as a lexicon says them in the benchmark."""

    name, title, file = "pr", "phone recognition", PHONES
    metric, higher_is_better = "per", False

    @classmethod
    def learn(cls, labels: Mapping[str, Any]) -> dict[str, Any]:
        """Phones, sorted."""
        return {"symbols": sorted({phone for text in labels.values() for phone in text.split()})}

    def make_symbols(self) -> Symbols:
        """Phones."""
        return phone_symbols(self.vocabulary["symbols"])

    def build_head(self, width: int, frame_rate: float) -> nn.Module:
        """s3prl's ``FrameLevelLinear``: logits (B, T, V) and lengths (B,)."""
        return self.make_head(FrameLevelLinear, width, len(self.symbols))

    def measure(self, predictions: Mapping[str, Any], truth: Any) -> dict[str, Measure]:
        """Phone error rate."""
        return {"per": _error_rate(predictions, truth, "word")}


class SpeechRecognition(Recognition):
    """ASR: LibriSpeech in the benchmark."""

    name, title, file = "asr", "speech recognition", "text"
    metric, higher_is_better = "wer", False

    def make_symbols(self) -> Symbols:
        """Characters."""
        return character_symbols(self.vocabulary["symbols"])

    def measure(self, predictions: Mapping[str, Any], truth: Any) -> dict[str, Measure]:
        """Word and character error rates."""
        return {
            "wer": _error_rate(predictions, truth, "word"),
            "cer": _error_rate(predictions, truth, "character"),
        }


class SlotFilling(Recognition):
    """SF: transcripts with slots marked; audio SNIPS in the benchmark."""

    name, title, file = "sf", "slot filling", SLOTS
    metric, higher_is_better = "slot_type_f1", True

    @classmethod
    def learn(cls, labels: Mapping[str, Any]) -> dict[str, Any]:
        """Characters and names of slots, sorted."""
        slots = sorted({slot for text in labels.values() for slot in find_slots(text)})
        marks = {f"{side}-{slot}" for slot in slots for side in "BE"}
        words = {word for text in labels.values() for word in text.split()} - marks
        return {"symbols": sorted(set("".join(words)) | {" "}), "slots": slots}

    def make_symbols(self) -> Symbols:
        """Characters and marks."""
        return MarkedSymbols(self.vocabulary["symbols"], self.vocabulary["slots"])

    def measure(self, predictions: Mapping[str, Any], truth: Any) -> dict[str, Measure]:
        """Slot-type F1 and slot-value character error rate."""
        scored = score_slots([truth[utt] for utt in predictions], list(predictions.values()))
        return {
            "slot_type_f1": ratio(scored.f1),
            "slot_value_cer": ratio(scored.edits, scored.characters),
        }

    def facts(self, truth: Any) -> dict[str, Any]:
        """Number of slots."""
        return {"num_slots": len(self.vocabulary["slots"])}


def _error_rate(predictions: Mapping[str, Any], truth: Mapping[str, str], unit: str) -> Measure:
    """All errors by all tokens of the references; words are what blanks of any number part."""
    joined = {utt: " ".join(text.split()) for utt, text in predictions.items()}
    wanted = {utt: " ".join(truth[utt].split()) for utt in joined}
    table = align(wanted, joined, unit).table
    return ratio(table[:, 1:].sum(1), table[:, :3].sum(1))
