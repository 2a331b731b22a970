import pytest
import torch
from safetensors.torch import save_file

from codec_ssl.errors import ConfigError
from codec_ssl.frontend.augment import EmbeddingNoise, SpecAugment, kept_codebooks
from codec_ssl.frontend.codec_units import CodecUnitFrontend, complete_frontend_conf
from codec_ssl.nn.packed import PackedLayout

Q, K, E = 4, 10, 6


@pytest.fixture
def codebook(tmp_path):
    torch.manual_seed(0)
    scale = torch.tensor([4.0, 2.0, 1.0, 0.5]).view(Q, 1, 1)
    save_file({"vectors": torch.randn(Q, K, E) * scale + 1.0}, tmp_path / "codebook.safetensors")
    return str(tmp_path / "codebook.safetensors")


def vectors_of(path):
    from safetensors.torch import load_file

    return load_file(path)["vectors"]


def test_the_sum_of_the_rows_is_the_codecs_latent(codebook):
    frontend = CodecUnitFrontend(codebook=codebook)
    codes = torch.randint(0, K, (7, Q))
    vectors = vectors_of(codebook)
    latent = torch.stack([sum(vectors[q, c] for q, c in enumerate(row)) for row in codes])
    assert torch.allclose(frontend.lookup(codes), latent, atol=1e-6)
    frontend = CodecUnitFrontend(codebook=codebook, aggregate="mean")
    assert torch.allclose(frontend.lookup(codes), latent / Q, atol=1e-6)
    frontend = CodecUnitFrontend(codebook=codebook, aggregate="concat")
    wanted = torch.stack([torch.cat([vectors[q, c] for q, c in enumerate(row)]) for row in codes])
    assert torch.equal(frontend.lookup(codes), wanted)


@pytest.mark.parametrize("aggregate", ["sum", "mean", "concat"])
def test_dropped_codes_count_for_nothing(codebook, aggregate):
    frontend = CodecUnitFrontend(codebook=codebook, aggregate=aggregate, output_dim=5)
    codes = torch.randint(0, K, (7, Q))
    kept = torch.rand(7, Q) < 0.5
    kept[:, 0] = True
    found = frontend.lookup(codes, kept)
    rows = vectors_of(codebook)[torch.arange(Q), codes] * kept.unsqueeze(2)
    wanted = {
        "sum": rows.sum(1),
        "mean": rows.sum(1) / kept.sum(1, keepdim=True),
        "concat": rows.flatten(1),
    }
    assert torch.allclose(found, wanted[aggregate], atol=1e-6)
    found.sum().backward()
    touched = frontend.table.grad.view(Q, K, E).abs().sum(2) > 0
    expected = torch.zeros(Q, K, dtype=torch.bool)
    expected[torch.arange(Q).expand(7, Q)[kept], codes[kept]] = True
    assert torch.equal(touched, expected)


def test_codebooks_of_different_sizes_share_the_table():
    frontend = CodecUnitFrontend(3, [5, 2, 9], E, init="random")
    codes = torch.tensor([[4, 1, 8]])
    wanted = frontend.table[4] + frontend.table[5 + 1] + frontend.table[7 + 8]
    assert torch.allclose(frontend.lookup(codes)[0], wanted)


def test_matched_random_tables_keep_each_codebooks_scale(tmp_path):
    vectors = torch.randn(2, 4000, 3) * torch.tensor([5.0, 0.1]).view(2, 1, 1) + 2.0
    save_file({"vectors": vectors}, tmp_path / "c.safetensors")
    frontend = CodecUnitFrontend(codebook=str(tmp_path / "c.safetensors"), init="random_matched")
    table = frontend.table.view(2, 4000, 3)
    assert torch.allclose(table.std(1), vectors.std(1), rtol=0.1)
    assert torch.allclose(table.mean(1), vectors.mean(1), atol=0.5)
    assert not torch.allclose(table, vectors)


def test_padded_and_packed_calls_agree_and_padding_is_never_looked_up():
    frontend = CodecUnitFrontend(Q, K, E, init="random", output_dim=8).eval()
    codes, lengths = torch.randint(0, K, (3, 9, Q)), torch.tensor([9, 2, 5])
    for row, n in zip(codes, lengths, strict=True):
        row[n:] = -32768
    out, out_lengths = frontend(codes, lengths)
    assert out.shape == (3, 9, 8) == (*codes.shape[:2], frontend.output_size())
    assert torch.equal(out_lengths, lengths) and not out[1, 2:].any()
    layout = PackedLayout.from_lengths(lengths)
    assert torch.equal(layout.pack(out), frontend.embed(layout.pack(codes), layout))


def test_prefix_dropout_keeps_the_first_n_of_half_of_the_utterances():
    torch.manual_seed(0)
    kept = kept_codebooks("prefix", 0.5, 60_000, 12)
    assert (kept.int().diff(dim=1) <= 0).all(), "only prefixes"
    shares = torch.bincount(kept.sum(1), minlength=13) / 60_000
    assert shares[0] == 0
    wanted = torch.full((12,), 0.5 / 12)
    wanted[-1] += 0.5
    assert torch.allclose(shares[1:], wanted, atol=0.005)


def test_independent_dropout_spares_the_first_codebook():
    torch.manual_seed(0)
    kept = kept_codebooks("independent", 0.2, 60_000, 12).float()
    assert kept[:, 0].all()
    assert torch.allclose(kept[:, 1:].mean(0), torch.full((11,), 0.8), atol=0.01)
    assert kept[:, 1:].T.corrcoef().fill_diagonal_(0).abs().max() < 0.03


def test_an_utterance_drops_the_same_codebooks_in_all_its_frames_and_only_in_training():
    frontend = CodecUnitFrontend(
        Q, K, E, init="random", codebook_dropout="prefix", output_dim=None, dropout=0.0
    )
    codes = torch.randint(0, K, (1, Q)).repeat(400, 1)
    layout = PackedLayout.from_lengths([8] * 50)
    torch.manual_seed(1)
    out = frontend.embed(codes, layout).view(50, 8, E)
    assert (out == out[:, :1]).all() and len(out[:, 0].unique(dim=0)) > 1
    full = frontend.lookup(codes)
    assert torch.equal(frontend.embed(codes, layout, augment=False), full)
    assert torch.equal(frontend.eval().embed(codes, layout), full)


def test_specaugment_masks_spans_of_frames_and_bands_within_their_limits():
    torch.manual_seed(0)
    layout = PackedLayout.from_lengths([100, 40] * 50)
    x = torch.ones(layout.num_frames, 32)
    out = SpecAugment(2, 0.1, 1, 0.25)(x, layout)
    for part, length in zip(out.split(layout.lengths), layout.lengths, strict=True):
        rows, columns = (part == 0).all(1), (part == 0).all(0)
        assert rows.sum() <= 2 * 0.1 * length and columns.sum() <= 8
        assert part[~rows][:, ~columns].all(), "nothing else is masked"
    assert 0.05 < (out == 0).float().mean() < 0.35


def test_noise_has_the_asked_level_and_frequency():
    torch.manual_seed(0)
    layout = PackedLayout.from_lengths([50] * 400)
    x = torch.randn(layout.num_frames, 64) * 7.0
    noise = (EmbeddingNoise(0.1, 0.5)(x, layout) - x).view(400, 50, 64)
    noisy = noise.abs().sum((1, 2)) > 0
    assert noisy.float().mean().item() == pytest.approx(0.5, abs=0.1)
    assert noise[noisy].std().item() == pytest.approx(0.7, rel=0.05)


def test_sizes_are_completed_from_the_file(codebook):
    conf = complete_frontend_conf({"codebook": codebook, "dropout": 0.2})
    assert conf["num_codebooks"] == Q and conf["codebook_size"] == K
    assert conf["codebook_dim"] == E and conf["dropout"] == 0.2


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ({"num_codebooks": 3}, "num_codebooks 3, but .*codebook.safetensors has 4"),
        ({"codebook": "/no/where"}, "cannot read the codebook /no/where.*rerun stage 'tokens'"),
        ({"codebook": None}, "needs num_codebooks"),
        ({"aggregate": "max"}, "aggregate is one of"),
    ],
)
def test_wrong_options_say_what_is_wrong(codebook, conf, message):
    with pytest.raises(ConfigError, match=message):
        CodecUnitFrontend(**({"codebook": codebook} | conf))


def test_codes_of_another_codec_are_refused():
    frontend = CodecUnitFrontend(Q, K, E, init="random")
    with pytest.raises(ConfigError, match="8 codebooks, the frontend 4"):
        frontend.lookup(torch.zeros(3, 8, dtype=torch.int64))
