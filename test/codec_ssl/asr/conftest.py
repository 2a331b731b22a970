"""A tiny model and a tiny batch."""

from collections.abc import Callable
from typing import Any

import pytest

WIDTH, VOCAB = 16, 11


@pytest.fixture
def tiny_model() -> Callable[..., Any]:
    """Build a model whose layers are small and whose numbers are the same in every test."""

    def build(sizes=(7,), features=None, vocab_size=VOCAB, **conf):
        import torch

        from codec_ssl.asr.decoder_only import build_decoder_only

        torch.manual_seed(0)
        train = (
            {"codes": {"sizes": list(sizes)}}
            if features is None
            else {"features": {"width": features}}
        )
        decoder = {"dim": WIDTH, "num_layers": 2, "num_heads": 2, "ffn_dim": 24}
        conf["decoder_conf"] = decoder | conf.get("decoder_conf", {})
        record = {"train": train, "pieces": {"vocab_size": vocab_size}}
        return build_decoder_only({**conf, "data_record": record})

    return build


@pytest.fixture
def tiny_batch() -> Callable[..., Any]:
    """Draw ``(speech, speech_lengths, text, text_lengths)``."""

    def draw(sizes=(7,), features=None, frames=(6, 1, 9), pieces=(3, 2, 5), seed=1):
        import torch

        generator = torch.Generator().manual_seed(seed)
        count = sum(frames)
        if features is not None:
            speech = torch.randn(count, features, generator=generator)
        else:
            columns = [torch.randint(k, (count,), generator=generator) for k in sizes]
            speech = torch.stack(columns, 1)
        text = torch.randint(2, VOCAB, (sum(pieces),), generator=generator)
        return speech, torch.tensor(frames), text, torch.tensor(pieces)

    return draw
