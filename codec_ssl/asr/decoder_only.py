"""Decoder-only speech recognition on discrete tokens (RepCodec, arXiv 2309.00169, 3.4 and B.2).

One causal Transformer reads the speech, then ``<|transcribe|>``, then writes the transcript:
``s_1 ... s_T <|transcribe|> y_1 ... y_S <eos>``. The paper trains on p(y|s), the text alone;
p(s,y), a language model of all, is its ablation (appendix C.2). What the paper leaves open is as in
fairseq's Transformer language model, on which it stands: embeddings N(0, 1 / D) times sqrt(D), an
output layer of its own without bias, positions that count through speech and text.

Legend: B utterances, T frames of speech, S text pieces, N frames of all utterances, M text
positions of all (S + 1 an utterance), Q streams, K units of a stream, F width of continuous
features, D width, V pieces.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from codec_ssl.asr.frames import FrameStack, UnitEmbedding
from codec_ssl.asr.sequences import SpeechTextLayout
from codec_ssl.asr.text import END
from codec_ssl.config_sections import make_part
from codec_ssl.errors import ConfigError
from codec_ssl.frontend.augment import SpecAugment
from codec_ssl.nn.transformer import TransformerEncoder

CONDITIONAL, JOINT = "p(y|s)", "p(s,y)"
OBJECTIVES = (CONDITIONAL, JOINT)
LABEL_SMOOTHING = 0.1
# 12 x 768 x 3072 with 12 heads and dropout 0.1 are the Transformer's own defaults.
_DECODER = {
    "norm": "pre",
    "positions": "sinusoidal",
    "attention_dropout": 0.0,
    "layerdrop": 0.0,
}


class DecoderOnlyASR(nn.Module):
    """Speech input, text embedding, causal Transformer, and the output layers.

    Args:
        speech: :class:`UnitEmbedding`, or a Linear for continuous features.
        decoder: A causal Transformer.
        vocab_size: V, the end and the piece for unknown characters among them.
        objective: ``p(y|s)`` or ``p(s,y)``.
        label_smoothing: Share of each target that is spread over all classes.
        specaugment: Masks the embedded speech in training.
        text_noise: Share of the pieces read in training that are drawn at random instead, so that
            little text cannot be learnt by heart; the targets stay. Neither is in the paper.
        frames: How frames become places of the sequence; below, N counts places and Q the columns
            of a place.

    Raises:
        ValueError: The parts don't go together.
    """

    def __init__(
        self,
        speech: UnitEmbedding | nn.Linear,
        decoder: TransformerEncoder,
        vocab_size: int,
        objective: str = CONDITIONAL,
        label_smoothing: float = LABEL_SMOOTHING,
        specaugment: SpecAugment | None = None,
        text_noise: float = 0.0,
        frames: FrameStack | None = None,
    ) -> None:
        super().__init__()
        if objective not in OBJECTIVES:
            raise ValueError(f"objective must be one of {', '.join(OBJECTIVES)}, not {objective!r}")
        if not 0.0 <= label_smoothing < 1.0:
            raise ValueError(f"label_smoothing must be in [0, 1), not {label_smoothing}")
        if not 0.0 <= text_noise < 1.0:
            raise ValueError(f"text_noise must be in [0, 1), not {text_noise}")
        self.speech = speech
        self.decoder = decoder
        self.objective = objective
        self.label_smoothing = label_smoothing
        self.specaugment = specaugment
        self.text_noise = text_noise
        self.frames = frames or FrameStack()
        self.scale = math.sqrt(decoder.dim)
        self.start = vocab_size
        self.pieces = nn.Embedding(vocab_size + 1, decoder.dim)
        self.head = nn.Linear(decoder.dim, vocab_size, bias=False)
        self.speech_head: nn.Linear | None = None
        if objective == JOINT:
            if not isinstance(speech, UnitEmbedding):
                raise ValueError(f"{JOINT} predicts units: it cannot have continuous features")
            # One head a stream, in one product; the first also predicts <|transcribe|>.
            self.speech_head = nn.Linear(decoder.dim, 1 + sum(speech.sizes), bias=False)
        for module in (self.pieces, self.head, self.speech_head):
            if module is not None:
                nn.init.normal_(module.weight, std=decoder.dim**-0.5)

    @property
    def vocab_size(self) -> int:
        """Number of pieces, V."""
        return self.head.out_features

    def forward(
        self, speech: Tensor, speech_lengths: Tensor, text: Tensor, text_lengths: Tensor
    ) -> tuple[Tensor, dict[str, Tensor | float], int]:
        """Compute the loss of one packed batch.

        Args:
            speech: Units of all utterances end to end ``(N, Q)``, or features ``(N, F)``.
            speech_lengths: Frames of each utterance ``(B,)``.
            text: Pieces of all utterances end to end, without ends, int64.
            text_lengths: Pieces of each utterance ``(B,)``.

        Returns:
            Loss, the mean over all predicted tokens; statistics, detached: ``acc`` and
            ``perplexity`` are those of text pieces and ends; the number of predicted tokens.
        """
        speech, speech_lengths = self.frames(speech, speech_lengths, self.training)
        layout = SpeechTextLayout.from_lengths(speech_lengths, text_lengths, speech.device)
        hidden = self._decode(speech, layout.text_inputs(text, self.start), layout)
        written = _Tally(self.label_smoothing)
        logits = self.head(hidden.index_select(0, layout.text_rows))
        written.add(logits, layout.text_targets(text))
        stats = {"acc": written.accuracy, "perplexity": written.perplexity}
        loss, count = written.loss, written.count
        if self.speech_head is not None:
            heard = self._hear(speech, hidden.index_select(0, layout.speech_rows), layout)
            stats |= {"speech_acc": heard.accuracy, "speech_perplexity": heard.perplexity}
            loss, count = loss + heard.loss, count + heard.count
        loss = loss / count
        return loss, {"loss": loss.detach(), **stats}, count

    def text_losses(
        self, speech: Tensor, speech_lengths: Tensor, text: Tensor, text_lengths: Tensor
    ) -> Tensor:
        """Negative log-likelihood of each text with its end, ``(B,)``; arguments as ``forward``."""
        speech, speech_lengths = self.frames(speech, speech_lengths, self.training)
        layout = SpeechTextLayout.from_lengths(speech_lengths, text_lengths, speech.device)
        hidden = self._decode(speech, layout.text_inputs(text, self.start), layout)
        logits = self.head(hidden.index_select(0, layout.text_rows)).float()
        losses = nn.functional.cross_entropy(logits, layout.text_targets(text), reduction="none")
        return losses.new_zeros(len(text_lengths)).index_add(0, layout.text.owner, losses)

    def _decode(
        self, speech: Tensor, pieces: Tensor, layout: SpeechTextLayout, **options: Any
    ) -> Tensor:
        """Last layer of the sequences, ``(N + M, D)``."""
        heard = self.speech(speech)
        if self.training and self.specaugment is not None:
            heard = self.specaugment(heard, layout.speech)
        if self.training and self.text_noise:
            pieces = self._noisy(pieces)
        x = layout.join(heard, self.embed(pieces))
        return self.decoder(x, layout.whole, **options).last

    def _noisy(self, pieces: Tensor) -> Tensor:
        """Draw some pieces anew, any but the end; ``<|transcribe|>`` stays."""
        drawn = torch.randint_like(pieces, self.vocab_size - 1)
        drawn += drawn >= END
        chosen = torch.rand(pieces.shape, device=pieces.device) < self.text_noise
        return torch.where(chosen & (pieces != self.start), drawn, pieces)

    def embed(self, pieces: Tensor) -> Tensor:
        """Embed pieces and ``<|transcribe|>``: ``(M,)`` to ``(M, D)``."""
        return self.pieces(pieces) * self.scale

    def _hear(self, codes: Tensor, hidden: Tensor, layout: SpeechTextLayout) -> "_Tally":
        """Predict the units of each next frame."""
        sizes = self.speech.sizes
        targets, counted = layout.speech_targets(codes, end=sizes[0])
        tally = _Tally(self.label_smoothing)
        ends = layout.speech.batch_size
        logits = self.speech_head(hidden).split([sizes[0] + 1, *sizes[1:]], dim=1)
        for stream, of_stream in enumerate(logits):
            if stream == 0:
                tally.add(of_stream, targets[:, 0])
            else:
                weights = counted[:, stream]
                tally.add(of_stream, targets[:, stream], weights, len(codes) - ends)
        return tally


class _Tally:
    """Sums of what a loss is made of, without waiting for the device."""

    def __init__(self, smoothing: float) -> None:
        self.smoothing = smoothing
        self.count = 0
        self.loss: Tensor | float = 0.0
        self._nll: Tensor | float = 0.0
        self._correct: Tensor | float = 0.0

    def add(
        self,
        logits: Tensor,
        targets: Tensor,
        weights: Tensor | None = None,
        count: int | None = None,
    ) -> None:
        """Add predictions.

        Args:
            logits: ``(M, V)``.
            targets: ``(M,)``.
            weights: Whether each counts, float ``(M,)``; None: all.
            count: Sum of the weights.
        """
        log_probs = logits.float().log_softmax(1)
        nll = -log_probs.gather(1, targets.unsqueeze(1)).squeeze(1)
        correct = (log_probs.detach().argmax(1) == targets).float()
        spread = -log_probs.mean(1) if self.smoothing else torch.zeros_like(nll)
        if weights is not None:
            nll, correct, spread = nll * weights, correct * weights, spread * weights
        self.count += len(targets) if count is None else count
        nll_sum = nll.sum()
        self.loss = self.loss + (1.0 - self.smoothing) * nll_sum + self.smoothing * spread.sum()
        self._nll = self._nll + nll_sum.detach()
        self._correct = self._correct + correct.sum()

    @property
    def accuracy(self) -> Tensor:
        """Share of right first choices."""
        return self._correct / self.count

    @property
    def perplexity(self) -> Tensor:
        """Exponential of the mean negative log-likelihood, without smoothing."""
        return (self._nll / self.count).exp()


def build_decoder_only(config: Mapping[str, Any]) -> DecoderOnlyASR:
    """Build a model from a plain mapping, the same keys as in the training YAML.

    Args:
        config: ``decoder_conf`` (options of :class:`TransformerEncoder`), ``objective``,
            ``label_smoothing``, ``text_noise``, ``specaugment`` (options of
            :class:`SpecAugment`; empty: off), ``frames_conf`` (of :class:`FrameStack`), and
            ``data_record``, which tells the sizes: ``train.codes.sizes`` or
            ``train.features.width``, and ``pieces.vocab_size``.

    Raises:
        ConfigError: An option is unknown, missing or wrong.
    """
    conf = _DECODER | dict(config.get("decoder_conf") or {})
    decoder = make_part(TransformerEncoder, "decoder_conf", conf, causal=True)
    record = config.get("data_record") or {}
    try:
        vocab_size, train = record["pieces"]["vocab_size"], record["train"]
        sizes = train["codes"]["sizes"] if "codes" in train else None
        width = None if sizes else train["features"]["width"]
    except (KeyError, TypeError) as error:
        raise ConfigError(
            "data_record: expected train.codes.sizes (or train.features.width) and "
            f"pieces.vocab_size, which the training writes, found {record!r}"
        ) from error
    stack = make_part(FrameStack, "frames_conf", config.get("frames_conf") or {})
    speech = (
        UnitEmbedding(sizes, decoder.dim, stack.count)
        if sizes
        else nn.Linear(width * stack.count, decoder.dim)
    )
    names = ("objective", "label_smoothing", "text_noise")
    options = {name: config[name] for name in names if name in config}
    if masks := config.get("specaugment"):
        options["specaugment"] = make_part(SpecAugment, "specaugment", masks)
    return make_part(
        DecoderOnlyASR,
        "decoder-only ASR",
        options,
        speech=speech,
        decoder=decoder,
        vocab_size=vocab_size,
        frames=stack,
    )
