"""A tiny training through ESPnet's trainer."""

import argparse
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

EPOCHS, BATCHES = 3, 4


class Points(torch.utils.data.Dataset):
    """Points of a plane by utterance id, noisy, so that the generators of workers matter."""

    def __getitem__(self, utt_id: str) -> tuple[str, dict[str, np.ndarray]]:
        x = np.random.default_rng(int(utt_id[1:])).normal(size=8)
        return utt_id, {"x": x + 0.1 * np.random.normal(size=8) + 0.1 * random.random()}


def collate(data: list[tuple[str, dict[str, np.ndarray]]]) -> tuple[list[str], dict[str, Any]]:
    x = torch.tensor(np.stack([streams["x"] for _, streams in data]), dtype=torch.float32)
    return [utt for utt, _ in data], {"x": x, "codes_lengths": torch.full((len(data),), 5)}


def tiny_model(poison: set[str]) -> Any:
    from espnet2.torch_utils.device_funcs import force_gatherable
    from espnet2.train.abs_espnet_model import AbsESPnetModel

    class Tiny(AbsESPnetModel):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(8, 8)
            self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
            self.mask_seen: list[float] = []

        def forward(self, x, utt_id, **kwargs):
            mask = torch.rand_like(x) < 0.5
            self.mask_seen.append(float(mask.float().mean()))
            loss = (self.linear(x * mask) - x).square().mean() * (1 + 0.01 * random.random())
            if poison.intersection(utt_id):
                loss = loss * float("nan")
            if self.training:
                self.steps += 1
            stats = {"loss": loss.detach(), "code_usage": 0.5}
            return force_gatherable((loss, stats, len(x)), loss.device)

        def collect_feats(self, **batch):
            return {}

    torch.manual_seed(0)
    return Tiny()


@pytest.fixture
def train() -> Callable[..., dict[str, Any]]:
    """Train the tiny model with ESPnet's trainer and ours around it."""

    def run(
        output_dir: Path,
        *,
        max_epoch: int = EPOCHS,
        num_workers: int = 0,
        accum_grad: int = 1,
        poison: set[str] | None = None,
        on_batch: Callable[[int], None] | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        from espnet2.iterators.sequence_iter_factory import SequenceIterFactory
        from espnet2.tasks.abs_task import AbsTask
        from espnet2.train.distributed_utils import DistributedOption

        from codec_ssl.train.schedulers import PolynomialDecayLR
        from codec_ssl.train.trainer import CodecSSLTrainer

        class Task(AbsTask):
            trainer = CodecSSLTrainer
            add_task_arguments = classmethod(lambda cls, parser: None)
            build_collate_fn = build_preprocess_fn = build_model = None
            required_data_names = optional_data_names = None

        parser = Task.get_parser()
        parser.set_defaults(
            resume=True,
            use_matplotlib=False,
            use_tensorboard=False,
            keep_nbest_models=[1],
            best_model_criterion=[("valid", "loss", "min")],
        )
        args = parser.parse_args(["--output_dir", str(output_dir), "--max_epoch", str(max_epoch)])
        for key, value in {"accum_grad": accum_grad, **more}.items():
            assert hasattr(args, key), key
            setattr(args, key, value)
        output_dir.mkdir(exist_ok=True, parents=True)
        model = tiny_model(poison or set())
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
        if on_batch is not None:
            optimizer.register_step_pre_hook(lambda *_: on_batch(int(model.steps)))
        batches = [[f"u{4 * b + i}" for i in range(4)] for b in range(6)]
        kwargs = {"dataset": Points(), "collate_fn": collate, "num_workers": num_workers}
        CodecSSLTrainer.run(
            model=model,
            optimizers=[optimizer],
            schedulers=[PolynomialDecayLR(optimizer, warmup_steps=3, max_steps=100)],
            train_iter_factory=SequenceIterFactory(
                batches=batches, shuffle=True, num_iters_per_epoch=BATCHES, **kwargs
            ),
            valid_iter_factory=SequenceIterFactory(batches=batches[:2], **kwargs),
            plot_attention_iter_factory=None,
            trainer_options=CodecSSLTrainer.build_options(args),
            distributed_option=DistributedOption(),
        )
        return {"model": model, "args": argparse.Namespace(**vars(args))}

    return run
