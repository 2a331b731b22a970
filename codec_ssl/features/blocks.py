"""What all encoders have in common that are a stack of Transformer blocks from elsewhere.

Layer N is what block N gives, before any norm that only follows the last block; layer 0 is what
the first block gets. Blocks above the highest layer that is wanted are not run.

Letters: B batch, T frames, N samples, D width.
"""

import hashlib
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from codec_ssl.features.base import WaveEncoder

SAMPLE_RATE = 16000


class BlockEncoder(WaveEncoder):
    """A frozen model with blocks.

    Args:
        model: The model; it is moved to ``device``.
        blocks: Its blocks, in a module list that the model itself walks through.
        width: D.
        frame_rate: Frames a second.
        name: Name for tables and messages.
        settings: Whatever else features depend on; a part of the fingerprint.
        device: Where to compute.
    """

    sample_rate = SAMPLE_RATE

    def __init__(
        self,
        model: nn.Module,
        blocks: nn.ModuleList,
        width: int,
        frame_rate: float,
        name: str,
        settings: str,
        device: str | torch.device = "cpu",
    ) -> None:
        self.device, self.name = torch.device(device), name
        self.width, self.frame_rate, self.num_layers = width, frame_rate, len(blocks)
        self.fingerprint = _digest(model, settings)
        self._model, self._blocks = model.to(self.device).eval().requires_grad_(False), blocks

    @abstractmethod
    def _run(self, wav: Tensor) -> None:
        """Send one whole utterance ``(N,)`` through the model; its blocks are watched."""

    @torch.no_grad()
    def encode(
        self, inputs: Tensor, lens: Tensor, layers: Sequence[int]
    ) -> tuple[dict[int, Tensor], Tensor]:
        """See ``SpeechEncoder.encode``.

        Utterances go through one at a time: the group norm of the base models, data2vec's stack
        of positional convolutions and Whisper's missing mask all let padding into real frames, so
        that features would depend on the batch.
        """
        self.check_layers(layers)
        counts = [self.frames_of(int(length)) for length in lens]
        features = {
            layer: torch.zeros(len(counts), max(counts), self.width, device=self.device)
            for layer in layers
        }
        for row, (wav, length, count) in enumerate(zip(inputs, lens.tolist(), counts, strict=True)):
            for layer, found in self._layers_of(wav[:length].to(self.device), layers).items():
                features[layer][row, :count] = found[:count]
        return features, torch.tensor(counts, device=self.device)

    def _layers_of(self, wav: Tensor, layers: Sequence[int]) -> dict[int, Tensor]:
        """Layers ``(T, D)`` of one utterance."""
        with self._watch(layers) as found:
            self._run(wav)
        return {layer: found[layer] for layer in layers}

    @contextmanager
    def _watch(self, layers: Sequence[int]) -> Iterator[dict[int, Tensor]]:
        """Collect what blocks give, with the blocks above the highest layer taken away."""
        found: dict[int, Tensor] = {}

        def keep(layer: int, value: Tensor | tuple[Tensor, ...]) -> None:
            found[layer] = (value[0] if isinstance(value, tuple) else value).squeeze(0)

        whole = list(self._blocks)
        hooks = [
            whole[0].register_forward_pre_hook(
                lambda _, args, kwargs: keep(0, args[0] if args else kwargs["hidden_states"]),
                with_kwargs=True,
            )
        ]
        hooks += [
            whole[layer - 1].register_forward_hook(lambda _, __, out, n=layer: keep(n, out))
            for layer in layers
            if layer
        ]
        # Layer 0 is seen when the first block is entered, so that one stays.
        del self._blocks[max(1, *layers) :]
        try:
            yield found
        finally:
            self._blocks.extend(whole[len(self._blocks) :])
            for hook in hooks:
                hook.remove()


def _digest(model: nn.Module, settings: str) -> str:
    """sha256 of settings and weights."""
    digest = hashlib.sha256(settings.encode())
    for key, value in sorted(model.state_dict().items()):
        digest.update(f"{key}{tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()
