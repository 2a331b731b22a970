"""ESPnet's residual quantizer on several processes: what our trainings rely on, run for real."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from espnet2.gan_codec.shared.quantizer.residual_vq import ResidualVectorQuantizer

WIDTH, ENTRIES, LAYERS, DECAY = 6, 16, 3, 0.9
STEPS = 30
PATIENCE = 120


def make(restart_below: int = 2) -> ResidualVectorQuantizer:
    return ResidualVectorQuantizer(
        dimension=WIDTH,
        codebook_dim=WIDTH,
        n_q=LAYERS,
        bins=ENTRIES,
        decay=DECAY,
        kmeans_iters=5,
        threshold_ema_dead_code=restart_below,
    )


def batch(rank: int, step: int) -> torch.Tensor:
    """Latents (B, D, T) of a rank, as an encoder gives them: other places and numbers on each."""
    random = torch.Generator().manual_seed(1000 * rank + step)
    latents = torch.randn(2, WIDTH, 20 + 30 * rank, generator=random) + 5.0 * rank
    return latents.requires_grad_()


def start(quantizer: ResidualVectorQuantizer) -> None:
    """Entries that are there from the beginning, so that no k-means is drawn."""
    random = torch.Generator().manual_seed(0)
    for layer in quantizer.vq.layers:
        book = layer._codebook
        book.inited.fill_(1)
        book.embed.copy_(torch.randn(ENTRIES, WIDTH, generator=random) + 2.5)
        book.embed_avg.copy_(book.embed)
        book.cluster_size.fill_(1.0)


def trained(rank: int) -> dict[str, dict[str, torch.Tensor]]:
    """What a rank holds: after k-means, after steps with restarts, and after steps without."""
    torch.manual_seed(rank + 1)
    held, restarts = {}, make()
    restarts(batch(rank, 0), 50)
    held["first"] = {key: value.clone() for key, value in restarts.state_dict().items()}
    for step in range(1, STEPS):
        restarts(batch(rank, step), 50)
    # Nobody is near this entry any more: it must come back, everywhere as the same vector.
    lost = restarts.vq.layers[0]._codebook
    for table, value in ((lost.embed, 100.0), (lost.embed_avg, 1.0), (lost.cluster_size, 0.01)):
        table[3] = value
    restarts(batch(rank, STEPS), 50)
    held["revived"] = {key: value.clone() for key, value in restarts.state_dict().items()}
    restarts(batch(rank, STEPS + 1), 50)
    held["next"] = restarts.state_dict()
    plain = make(restart_below=0)
    start(plain)
    for step in range(STEPS):
        plain(batch(rank, step), 50)
    held["plain"] = plain.state_dict()
    return held


def run_rank(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    # A rank that the other one leaves alone, as with entries that only one of them restarts, ends.
    limit = timedelta(seconds=PATIENCE)
    dist.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2, timeout=limit)
    torch.save(trained(rank), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(
    tmp_path_factory: pytest.TempPathFactory, in_parallel: Callable[..., list[int]]
) -> list[dict[str, dict[str, torch.Tensor]]]:
    folder = tmp_path_factory.mktemp("ranks")
    assert in_parallel(*(partial(run_rank, rank, folder) for rank in (0, 1))) == [0, 0]
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


def book(state: dict[str, torch.Tensor], name: str, layer: int = 0) -> torch.Tensor:
    return state[f"vq.layers.{layer}._codebook.{name}"]


@pytest.mark.parametrize("moment", ["first", "revived", "next", "plain"])
def test_every_rank_holds_the_same_codebooks(ranks, moment):
    first, second = (rank[moment] for rank in ranks)
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def test_kmeans_starts_from_the_data_of_all_ranks(ranks):
    means = book(ranks[0]["first"], "embed").mean(1)
    sizes = book(ranks[0]["first"], "cluster_size")
    # One rank's latents lie around 0, the other's around 5.
    assert (means < 1.5).sum() >= 2 and (means > 3.5).sum() >= 2
    assert sizes[means < 1.5].sum() < sizes[means > 3.5].sum()


def test_moving_averages_are_those_of_one_process_that_sees_everything(ranks):
    whole = make(restart_below=0)
    start(whole)
    for step in range(STEPS):
        together = torch.cat([batch(rank, step).transpose(1, 2).flatten(0, 1) for rank in (0, 1)])
        whole(together.t()[None], 50)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(ranks[0]["plain"][name], value, rtol=1e-4, atol=1e-4)
    assert book(ranks[0]["plain"], "cluster_size").sum() > 100


def test_a_dead_entry_comes_back_as_a_latent_of_some_rank_and_stays(ranks):
    revived = book(ranks[0]["revived"], "embed")[3]
    latents = torch.cat([batch(rank, STEPS).transpose(1, 2).flatten(0, 1) for rank in (0, 1)])
    assert (latents - revived).abs().amax(1).min() == 0
    assert book(ranks[0]["revived"], "cluster_size")[3] == 2
    # The next moving average starts from it, among the data; it does not fall back to 100.
    assert book(ranks[0]["next"], "embed")[3].abs().max() < 10
    assert book(ranks[0]["next"], "cluster_size")[3] > 1.5
