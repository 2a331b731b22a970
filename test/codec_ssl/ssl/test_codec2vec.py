import copy
from functools import partial

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import save_file

from codec_ssl.errors import ConfigError
from codec_ssl.ssl.codec2vec import build_codec2vec

TARGETS = ["reconstruction", "cluster", "online"]
LENGTHS = torch.tensor([40, 25, 60])


def config(target, **encoder):
    return {
        "frontend_conf": {
            "num_codebooks": 3,
            "codebook_size": 8,
            "codebook_dim": 12,
            "init": "random",
            "codebook_dropout": "prefix",
        },
        "encoder_conf": {
            "dim": 32,
            "num_layers": 3,
            "num_heads": 4,
            "ffn_dim": 48,
            "conv_pos_kernel": 16,
            "conv_pos_groups": 4,
        }
        | encoder,
        "target": target,
        "target_conf": {
            "reconstruction": {},
            "cluster": {"num_classes": 6, "proj_dim": 16},
            "online": {"num_layers": 2, "codebook_size": 10},
        }[target],
    }


def make(target, seed=0, **encoder):
    torch.manual_seed(seed)
    return build_codec2vec(config(target, **encoder))


def make_batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    total = int(LENGTHS.sum())
    codes = torch.randint(0, 8, (total, 3), generator=generator)
    return codes, LENGTHS, torch.randint(0, 6, (total, 1), generator=generator)


def step(model, optimizer, batch):
    loss, stats, weight = model(*batch)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    model.after_update()
    return stats, weight


def optimizer_of(model):
    return torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=3e-3)


@pytest.mark.parametrize("target", TARGETS)
def test_every_loss_falls_when_one_batch_is_learnt_by_heart(target):
    conf = {"dropout": 0.0, "attention_dropout": 0.0, "layerdrop": 0.0}
    model = make(target, **conf)
    model.frontend.codebook_dropout = "none"
    optimizer, batch = optimizer_of(model), make_batch()
    losses = []
    for _ in range(60):
        torch.manual_seed(1)  # the same mask every time
        losses.append(step(model, optimizer, batch)[0]["loss"].item())
    assert sum(losses[-5:]) / 5 < 0.6 * losses[0]


@pytest.mark.parametrize("target", TARGETS)
def test_bfloat16_training_gives_finite_gradients_near_those_of_float32(target):
    norms = []
    for enabled in (False, True):
        # A new model each time: the online target's codebooks move in every forward pass.
        model = make(target, dropout=0.0, layerdrop=0.0, attention_dropout=0.1)
        torch.manual_seed(3)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            loss, _, _ = model(*make_batch())
        loss.backward()
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        norms.append((loss.item(), torch.nn.utils.get_total_norm(grads).item()))
    assert norms[1] == pytest.approx(norms[0], rel=0.1)


@pytest.mark.parametrize("target", TARGETS)
def test_statistics_have_their_fixed_names_and_carry_no_graph(target):
    loss, stats, weight = make(target)(*make_batch())
    names = {"loss", "acc_masked", "target_perplexity", "pred_perplexity", "code_usage"}
    assert names | {"masked_fraction"} <= set(stats)
    assert ("codebook_perplexity" in stats) == (target == "online")
    assert loss.requires_grad and not any(
        getattr(value, "requires_grad", False) for value in stats.values()
    )
    assert weight == round(stats["masked_fraction"] * int(LENGTHS.sum()))


def test_an_utterance_gets_the_same_features_alone_and_in_a_batch():
    model = make("reconstruction")
    codes = torch.randint(0, 8, (3, 60, 3))
    for row, length in zip(codes, LENGTHS, strict=True):
        row[length:] = -1
    together = model.extract(codes, LENGTHS, [0, 2, 3])
    assert model.training, "the mode of the model is left as it was"
    assert list(together) == [0, 2, 3] and together[3].shape == (3, 60, 32)
    for i, length in enumerate(LENGTHS):
        alone = model.extract(codes[i : i + 1, :length], length.view(1), [0, 2, 3])
        for layer, value in alone.items():
            assert torch.allclose(together[layer][i, :length], value[0], atol=1e-5)
            assert not together[layer][i, length:].any()


def test_masked_frames_are_hidden_from_the_encoder_and_others_are_not():
    model = make("reconstruction").eval()
    seen = []
    model.encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    codes, lengths, _ = make_batch()
    _, _, masked = model(codes, lengths)
    hidden = (seen[0] == model.mask_vector).all(1)
    assert hidden.sum() == masked
    codes[hidden] = (codes[hidden] + 1) % 8
    model(codes, lengths)
    assert torch.equal(seen[0], seen[1])


def test_validation_masks_the_same_frames_every_time():
    model = make("cluster").eval()
    losses = [model(*make_batch())[0].item() for _ in range(2)]
    assert losses[0] == losses[1]


def test_no_gradient_reaches_the_teacher_and_train_keeps_it_in_eval_mode():
    model = make("online")
    model.train()
    teacher = model.target.teacher
    assert not any(module.training for module in teacher.modules())
    model(*make_batch())[0].backward()
    assert all(p.grad is None for p in teacher.parameters())
    without = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert all(name.startswith("encoder.layers.") for name in without), "layerdrop alone skips"


def test_the_frontend_stops_learning_when_the_teacher_is_frozen():
    model = make("online")
    batch = make_batch()
    model(*batch, num_updates=199_999)[0].backward()
    assert model.frontend.table.grad.abs().sum() > 0
    model.zero_grad()
    model(*batch, num_updates=200_000)[0].backward()
    assert all(p.grad is None for p in model.frontend.parameters())
    assert model.mask_vector.grad is not None


@pytest.mark.parametrize("target", TARGETS)
def test_training_goes_on_identically_from_a_saved_state(target, tmp_path):
    model = make(target)
    optimizer = optimizer_of(model)
    for i in range(3):
        step(model, optimizer, make_batch(i))
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save(state, tmp_path / "state.pt")
    torch.manual_seed(7)
    wanted = [step(model, optimizer, make_batch(i))[0]["loss"].item() for i in range(3, 6)]

    other = make(target, seed=99)
    saved = torch.load(tmp_path / "state.pt", weights_only=True)
    assert all(isinstance(value, torch.Tensor) for value in saved["model"].values())
    other.load_state_dict(saved["model"], strict=True)
    optimizer = optimizer_of(other)
    optimizer.load_state_dict(saved["optimizer"])
    torch.manual_seed(7)
    found = [step(other, optimizer, make_batch(i))[0]["loss"].item() for i in range(3, 6)]
    assert found == wanted
    for (name, a), b in zip(model.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_base_has_as_many_parameters_as_hubert_base():
    frontend = {"num_codebooks": 12, "codebook_size": 1024, "codebook_dim": 1024, "init": "random"}
    with torch.device("meta"):
        model = build_codec2vec({"frontend_conf": frontend, "target": "reconstruction"})

    def count(module):
        return sum(p.numel() for p in module.parameters())

    transformer_layer = 4 * (768 * 768 + 768) + 2 * 768 * 3072 + 3072 + 768 + 4 * 768
    assert count(model.encoder.layers) == 12 * transformer_layer == 85_054_464
    conv_positions = 768 * 48 * 128 + 128 + 768
    assert count(model.encoder.positions) == conv_positions
    assert count(model.frontend) == 12 * 1024 * 1024 + 2 * 1024 + 1024 * 768 + 768
    # transformers' HuBERT base without its convolutional feature extractor and projection
    hubert_encoder = 89_775_488
    assert count(model.encoder) == hubert_encoder


def test_weights_load_without_the_codebook_file(tmp_path):
    path = tmp_path / "codebook.safetensors"
    save_file({"vectors": torch.randn(3, 8, 12)}, path)
    conf = config("reconstruction")
    conf["frontend_conf"] |= {"codebook": str(path), "init": "codebook"}
    model = build_codec2vec(conf)
    path.unlink()
    other = build_codec2vec(conf, read_codebook=False)
    other.load_state_dict(model.state_dict(), strict=True)
    with pytest.raises(ConfigError, match="cannot read the codebook"):
        build_codec2vec(conf)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": "magic"}, "target must be one of reconstruction, cluster, online"),
        ({"encoder_conf": {"dimm": 3}}, "encoder_conf has unknown options dimm"),
        ({"encoder_conf": {"norm": "mid"}}, "encoder_conf: norm must be one of"),
        ({"masking_conf": {"prob": -1.0}}, "masking_conf"),
    ],
)
def test_wrong_options_are_named(change, message):
    with pytest.raises(ConfigError, match=message):
        build_codec2vec(config("reconstruction") | change)


def test_a_missing_layer_is_refused():
    with pytest.raises(ConfigError, match=r"layers must be in 0\.\.3"):
        make("reconstruction").extract(torch.zeros(1, 4, 3).long(), torch.tensor([4]), [4])


def run_rank(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)
    model = make("online")
    parallel = torch.nn.parallel.DistributedDataParallel(model, find_unused_parameters=True)
    optimizer = optimizer_of(model)
    torch.manual_seed(rank)
    for _ in range(50):
        # Each rank has its own number of utterances and frames.
        lengths = torch.randint(5, 20, (2 + 2 * rank,))
        loss, _, _ = parallel(torch.randint(0, 8, (int(lengths.sum()), 3)), lengths)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        model.after_update()
    torch.save(copy.deepcopy(model.state_dict()), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_two_ranks_hold_the_same_codebooks_and_teacher_after_50_steps(tmp_path, in_parallel):
    assert in_parallel(*(partial(run_rank, rank, tmp_path) for rank in (0, 1))) == [0, 0]
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert first["target.teacher.updates"] == 50
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
