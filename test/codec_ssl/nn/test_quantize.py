from functools import partial

import pytest
import torch
import torch.distributed as dist

from codec_ssl.nn.quantize import EMACodebooks, ResidualEMAQuantizer, histogram, perplexity


def test_assignment_is_the_nearest_entry():
    torch.manual_seed(0)
    books = EMACodebooks(3, 20, 5)
    x = torch.randn(3, 50, 5)
    assert torch.equal(books.assign(x), torch.cdist(x, books.vectors).argmin(-1))


def test_the_first_entries_have_mean_0_and_variance_1_in_every_channel():
    vectors = EMACodebooks(2, 256, 8).vectors
    assert torch.allclose(vectors.mean(1), torch.zeros(2, 8), atol=1e-5)
    assert torch.allclose(vectors.var(1, unbiased=False), torch.ones(2, 8), atol=1e-3)


@pytest.mark.parametrize("rule", ["hit", "smoothed"])
def test_updates_equal_a_plain_loop(rule):
    torch.manual_seed(0)
    groups, size, dim, decay, eps = 2, 12, 4, 0.8, 1e-5
    books = EMACodebooks(groups, size, dim, decay, rule, eps)
    counts, sums = books.counts.double().clone(), books.sums.double().clone()
    vectors = books.vectors.double().clone()
    for _ in range(10):
        x = torch.randn(groups, 15, dim)
        ids = books.assign(x)
        books.update(x, ids)
        for g in range(groups):
            for k in range(size):
                mine = x[g][ids[g] == k].double()
                if rule == "hit" and len(mine) == 0:
                    continue
                counts[g, k] = decay * counts[g, k] + (1 - decay) * len(mine)
                sums[g, k] = decay * sums[g, k] + (1 - decay) * mine.sum(0)
                vectors[g, k] = sums[g, k] / counts[g, k]
            if rule == "smoothed":
                total = counts[g].sum()
                smooth = (counts[g] + eps) / (total + size * eps) * total
                vectors[g] = sums[g] / smooth.unsqueeze(1)
        assert torch.allclose(books.vectors.double(), vectors, rtol=1e-3, atol=1e-4)


def test_entries_begin_as_vectors_of_the_data_so_that_more_of_them_are_used():
    torch.manual_seed(0)
    plane = torch.randn(2, 4, 64) / 2  # features of one layer lie in few dimensions

    def step():
        return torch.randn(2, 100, 4) @ plane

    used = {}
    for begin in ("random", "data"):
        books, data = EMACodebooks(2, 50, 64), step()
        if begin == "data":
            books.start(data)
            for g in range(2):
                same = (books.vectors[g][:, None] == data[g][None]).all(-1)
                assert same.any(1).all() and int(same.any(0).sum()) == 50  # each another one
        for _ in range(200):
            books.update(data, books.assign(data))
            data = step()
        seen = books.assign(torch.cat([step() for _ in range(20)], 1))
        used[begin] = float(perplexity(histogram(seen.t(), 50)).mean())
    assert used["random"] < 0.7 * used["data"], used
    few = EMACodebooks(1, 5, 3)
    few.start(torch.tensor([[[1.0, 2, 3], [4, 5, 6]]]))
    assert sorted(few.vectors[0, :, 0].tolist()) in ([1, 1, 1, 4, 4], [1, 1, 4, 4, 4])


def test_hit_only_leaves_unhit_entries_untouched():
    books = EMACodebooks(1, 4, 2, rule="hit")
    before = books.vectors.clone()
    books.update(torch.ones(1, 3, 2), torch.zeros(1, 3, dtype=torch.int64))
    assert torch.equal(books.vectors[:, 1:], before[:, 1:])
    assert torch.allclose(books.counts[0, 0], torch.tensor(0.9 * 1 + 0.1 * 3))


def test_perplexity_counts_the_entries_in_use():
    counts = histogram(torch.tensor([[0, 3], [1, 3], [0, 3], [1, 3]]), 5)
    assert counts.tolist() == [[2, 2, 0, 0, 0], [0, 0, 0, 4, 0]]
    assert torch.allclose(perplexity(counts), torch.tensor([2.0, 1.0]))


def test_entries_without_vectors_come_back_to_data_around_the_origin_only():
    torch.manual_seed(0)
    used = {}
    for mean in (0.0, 1.0):
        quantizer = ResidualEMAQuantizer(1, 64, 8)
        ids = [quantizer(0.05 * torch.randn(512, 8) + mean).ids for _ in range(100)]
        used[mean] = [len(step.unique()) for step in ids]
    assert used[0.0][0] < 5 and used[0.0][30] < 5 and used[0.0][-1] == 64
    assert used[1.0][-1] < 5


def run_rank(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)
    torch.manual_seed(0)
    books = EMACodebooks(3, 16, 6)
    torch.manual_seed(rank + 1)
    for step in range(50):
        # Unequal batches, one of them empty now and then.
        x = torch.randn(3, 0 if step % 7 == rank else 20 + 30 * rank, 6) + rank
        books.update(x, books.assign(x))
    torch.save(books.state_dict(), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_two_ranks_hold_the_same_codebooks_after_50_unequal_steps(tmp_path, in_parallel):
    assert in_parallel(*(partial(run_rank, rank, tmp_path) for rank in (0, 1))) == [0, 0]
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert first["counts"].sum() > 48, "both ranks' vectors are counted"
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
