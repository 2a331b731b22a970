"""The two models that the training cost compares, and the clock that splits their steps."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor, nn
from training_data import CROP_SECONDS, FRAME_RATE, HOP, RATE
from transformers import HubertConfig, HubertModel

from codec_ssl.nn.masking import SpanMasking
from codec_ssl.nn.packed import PackedLayout
from codec_ssl.ssl.codec2vec import build_codec2vec
from codec_ssl.ssl.targets import ClusterTarget, MaskedBatch
from codec_ssl.tokens.store import TokenStore
from codec_ssl.train.collate import PackedCollate

LATENT, CLASSES = 1024, 500
PARTS = ("data", "frontend", "encoder", "head", "optimizer")


class Stopwatch:
    """Adds up the time between marks; on a GPU each mark waits for the device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.spent = dict.fromkeys(PARTS, 0.0)
        self.last = 0.0

    def start(self) -> None:
        """Begin a step."""
        self.last = self.now()

    def mark(self, part: str) -> None:
        """The time since the last mark belongs to ``part``."""
        now = self.now()
        self.spent[part] += now - self.last
        self.last = now

    def watch(self, module: nn.Module, part: str, result: Callable = lambda out: out) -> None:
        """Mark after the module's way forward; ``result`` picks its output tensor."""
        module.register_forward_hook(lambda _, args, out: self._forward(part, result(out)))

    def _forward(self, part: str, out: Tensor) -> None:
        self.mark(part)
        # The gradient of a part's output arrives when the part behind it has finished.
        behind = PARTS[PARTS.index(part) + 1]
        if out.requires_grad:
            out.register_hook(lambda grad: self.mark(behind))

    def now(self) -> float:
        """Read the clock, once the device has caught up."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


class Side:
    """A model with its optimizer, and how it reads a batch."""

    name: str

    def __init__(self, model: nn.Module, device: torch.device) -> None:
        self.device = device
        self.model = model.to(device).train()
        self.watch = Stopwatch(device)
        self.cpu_seconds: list[float] = []
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-6, fused=True
        )

    def read(self, utts: list[str]) -> dict[str, Tensor]:
        """Read a batch from disk."""
        raise TypeError("Side is to be subclassed")

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Run forwards."""
        raise TypeError("Side is to be subclassed")

    def step(self, utts: list[str], dtype: torch.dtype) -> float:
        """Train on one batch; seconds by the clock."""
        begin, begin_cpu = self.watch.now(), time.process_time()
        self.watch.start()
        batch = {name: x.to(self.device) for name, x in self.read(utts).items()}
        self.watch.mark("data")
        with torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32):
            loss = self.loss(batch)
        self.watch.mark("head")
        loss.backward()
        self.watch.mark("frontend")
        nn.utils.clip_grad_norm_(self.model.parameters(), 10.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.watch.mark("optimizer")
        self.cpu_seconds.append(time.process_time() - begin_cpu)
        return self.watch.now() - begin


class Ours(Side):
    """Codec2Vec on a token store."""

    name = "codec2vec"

    def __init__(
        self,
        codes: TokenStore,
        labels: TokenStore,
        device: torch.device,
        compiled: bool,
        num_layers: int,
    ) -> None:
        model = build_codec2vec(
            {
                "frontend_conf": {
                    "num_codebooks": codes.meta.num_codebooks,
                    "codebook_size": list(codes.meta.sizes),
                    "codebook_dim": LATENT,
                    "init": "random",
                    "codebook_dropout": "prefix",
                },
                "encoder_conf": {"layerdrop": 0.0, "num_layers": num_layers},
                "target": "cluster",
                "target_conf": {"num_classes": CLASSES},
            }
        )
        super().__init__(model, device)
        if compiled:
            model.encoder.compile_layers()
        self.stores = {"codes": codes, "labels": labels}
        self.collate = PackedCollate(max_frames=int(CROP_SECONDS * FRAME_RATE))
        self.watch.watch(model.frontend.projection, "frontend")
        self.watch.watch(model.encoder, "encoder", lambda out: out.last)

    def read(self, utts: list[str]) -> dict[str, Tensor]:
        """Read and pack codes and labels."""
        streams = [(u, {name: s[u] for name, s in self.stores.items()}) for u in utts]
        return self.collate(streams)[1]

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Run forwards."""
        return self.model(**batch)[0]


class Theirs(Side):
    """HuBERT base of transformers on FLAC files."""

    name = "hubert"

    def __init__(
        self, files: dict[str, Path], labels: TokenStore, device: torch.device, num_layers: int
    ) -> None:
        config = HubertConfig(
            num_hidden_layers=num_layers,
            hidden_dropout=0.1,
            attention_dropout=0.1,
            activation_dropout=0.0,
            feat_proj_dropout=0.1,
            layerdrop=0.0,
            attn_implementation="sdpa",
        )
        model = nn.ModuleDict({"hubert": HubertModel(config), "head": ClusterTarget(768, CLASSES)})
        super().__init__(model, device)
        self.files, self.labels, self.masking = files, labels, SpanMasking()
        self.watch.watch(model["hubert"].feature_projection, "frontend", _first)
        self.watch.watch(model["hubert"].encoder, "encoder", lambda out: out.last_hidden_state)

    def read(self, utts: list[str]) -> dict[str, Tensor]:
        """Decode, crop and pad waveforms; read labels."""
        crop = int(CROP_SECONDS * RATE)
        waves = [soundfile.read(self.files[u], dtype="float32", stop=crop)[0] for u in utts]
        padded = np.zeros((len(waves), max(map(len, waves))), np.float32)
        for row, wave in zip(padded, waves, strict=True):
            row[: len(wave)] = wave
        lengths = [(len(wave) - 400) // HOP + 1 for wave in waves]
        labels = [self.labels[u][:n] for u, n in zip(utts, lengths, strict=True)]
        return {
            "waves": torch.from_numpy(padded),
            "samples": torch.tensor([len(wave) for wave in waves]),
            "frames": torch.tensor(lengths),
            "labels": torch.from_numpy(np.concatenate(labels)),
        }

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Run forwards with the mask of the other side's algorithm."""
        lengths = batch["frames"].cpu()
        layout = PackedLayout.from_lengths(lengths, self.device)
        mask = self.masking(lengths)
        masked = mask.nonzero().squeeze(1).to(self.device)
        steps = torch.arange(batch["waves"].size(1), device=self.device)
        hidden = self.model["hubert"](
            batch["waves"],
            attention_mask=(steps < batch["samples"].unsqueeze(1)).long(),
            mask_time_indices=layout.pad(mask.to(self.device).unsqueeze(1)).squeeze(2),
        ).last_hidden_state
        packed = layout.pack(hidden).index_select(0, masked)
        targets = MaskedBatch(None, batch["labels"], layout, masked, None, None)
        return self.model["head"](packed, targets)[0]


def _first(out: Tensor | tuple[Tensor, ...]) -> Tensor:
    return out[0] if isinstance(out, tuple) else out


def useful_flops(lengths: Sequence[int], waveform: bool, layers: int) -> float:
    """Multiply-adds count 2; forward once, backward twice; real frames only."""
    dim, ffn = 768, 3072
    per_frame = layers * (4 * dim * dim + 2 * dim * ffn) + dim * (dim // 16) * 128
    per_frame += (512 if waveform else LATENT) * dim
    attention = sum(layers * 2 * dim * n * n for n in lengths)
    if waveform:
        kernels, strides, rate, channels = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2), HOP, 1
        for kernel, stride in zip(kernels, strides, strict=True):
            rate //= stride
            per_frame += rate * kernel * channels * 512
            channels = 512
    head = 0.565 * (dim * 256 + 256 * CLASSES)
    return 6.0 * (sum(lengths) * (per_frame + head) + attention)
