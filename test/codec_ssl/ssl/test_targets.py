import math

import pytest
import torch
import torch.nn.functional as F

from codec_ssl.errors import ConfigError
from codec_ssl.nn.packed import PackedLayout
from codec_ssl.nn.transformer import TransformerEncoder
from codec_ssl.ssl.targets import (
    ClusterTarget,
    MaskedBatch,
    OnlineTarget,
    ReconstructionTarget,
    instance_norm,
    prediction_stats,
)

LENGTHS = [12, 7]
MASKED = [0, 3, 4, 13, 18]
D = 16


def make_encoder():
    return TransformerEncoder(D, 4, 2, 24, conv_pos_groups=2)


def make_batch(codes=None, labels=None, encoder=None):
    layout = PackedLayout.from_lengths(LENGTHS)
    inputs = torch.randn(layout.num_frames, D)
    return MaskedBatch(codes, labels, layout, torch.tensor(MASKED), encoder, lambda: inputs)


def nll(scores, label):
    scores = [float(s.detach()) for s in scores]
    top = max(scores)
    return top + math.log(sum(math.exp(s - top) for s in scores)) - scores[label]


@pytest.mark.parametrize("sizes", [[8, 8, 8], [8, 3, 5]])
def test_reconstruction_loss_equals_a_plain_loop(sizes):
    torch.manual_seed(0)
    codes = torch.stack([torch.randint(0, k, (19,)) for k in sizes], dim=1)
    target = ReconstructionTarget(D, sizes)
    hidden = torch.randn(len(MASKED), D)
    loss, stats = target(hidden, make_batch(codes))
    weight, bias = target.heads.weight.view(3, 8, D), target.heads.bias.view(3, 8)
    losses, hits = [], []
    for row, frame in zip(hidden, MASKED, strict=True):
        for q, size in enumerate(sizes):
            scores = [weight[q, k] @ row + bias[q, k] for k in range(size)]
            losses.append(nll(scores, int(codes[frame, q])))
            hits.append(max(range(size), key=lambda k: scores[k]) == int(codes[frame, q]))
    assert loss.item() == pytest.approx(sum(losses) / len(losses), rel=1e-5)
    assert stats["acc_masked"].item() == pytest.approx(sum(hits) / len(hits))


@pytest.mark.parametrize("head", ["cosine", "linear"])
def test_cluster_loss_equals_a_plain_loop(head):
    torch.manual_seed(0)
    labels = torch.randint(0, 9, (19, 1))
    target = ClusterTarget(D, 9, head=head, proj_dim=5)
    hidden = torch.randn(len(MASKED), D)
    loss, _ = target(hidden, make_batch(labels=labels))
    total = 0.0
    for row, frame in zip(hidden, MASKED, strict=True):
        x = target.projection.weight @ row + target.projection.bias
        if head == "cosine":
            x = [F.cosine_similarity(x, c, dim=0) / 0.1 for c in target.classes]
        total += nll(x, int(labels[frame]))
    assert loss.item() == pytest.approx(total / len(MASKED), rel=1e-4)


def test_online_labels_loss_and_codebooks_equal_a_plain_loop():
    torch.manual_seed(0)
    encoder = make_encoder().eval()
    target = OnlineTarget(encoder, num_layers=2, codebook_size=6)
    batch = make_batch(encoder=encoder)
    before = {n: b.clone() for n, b in target.codebooks.named_buffers()}
    hidden = torch.randn(len(MASKED), D)
    loss, _ = target(hidden, batch)

    grabbed = {}
    for number in (3, 4):
        encoder.layers[number - 1].feed_forward.register_forward_hook(
            lambda *io, number=number: grabbed.update({number: io[2]})
        )
    encoder(batch.embed(), batch.layout)
    losses = []
    logits = target.heads(hidden).view(-1, 2, 6)
    for g, number in enumerate((3, 4)):
        normed = torch.cat(
            [F.instance_norm(part.T[None])[0].T for part in grabbed[number].split(LENGTHS)]
        )
        sums, counts = before["sums"][g].clone(), before["counts"][g].clone()
        ids = []
        for i, frame in enumerate(MASKED):
            distances = [(normed[frame] - c).square().sum() for c in before["vectors"][g]]
            ids.append(min(range(6), key=lambda k: distances[k]))
            losses.append(nll(logits[i, g], ids[-1]))
        for k in set(ids):
            mine = [normed[f] for f, label in zip(MASKED, ids, strict=True) if label == k]
            counts[k] = 0.9 * counts[k] + 0.1 * len(mine)
            sums[k] = 0.9 * sums[k] + 0.1 * sum(mine)
        vectors = sums / counts.unsqueeze(1)
        assert torch.allclose(target.codebooks.vectors[g], vectors, atol=1e-4)
    assert loss.item() == pytest.approx(sum(losses) / len(losses), rel=1e-4)


def test_clusters_that_begin_as_features_do_so_at_the_first_training_step_only(monkeypatch):
    encoder = make_encoder().eval()
    target = OnlineTarget(encoder, num_layers=2, codebook_size=6, codebook_init="features")
    batch, hidden, given = make_batch(encoder=encoder), torch.randn(len(MASKED), D), []
    start = target.codebooks.start
    monkeypatch.setattr(target.codebooks, "start", lambda x: (given.append(x), start(x)))
    target.eval()(hidden, batch)
    assert not given
    for number in (1, 2, 3):
        target.train()(hidden, batch)
        target.after_update(encoder, number)
    assert len(given) == 1
    normed = instance_norm(
        encoder(batch.embed(), batch.layout, ffn_layers=[4]).ffn[4], batch.layout
    )
    assert torch.allclose(given[0][1], normed[MASKED], atol=1e-5)
    with pytest.raises(ConfigError, match="codebook_init"):
        OnlineTarget(encoder, num_layers=2, codebook_init="kmeans")


def test_instance_norm_equals_torchs_on_each_utterance():
    x = torch.randn(19, D) * 3 + 1
    wanted = [F.instance_norm(part.T[None])[0].T for part in x.split(LENGTHS)]
    found = instance_norm(x, PackedLayout.from_lengths(LENGTHS))
    assert torch.allclose(found, torch.cat(wanted), atol=1e-5)


def test_codebooks_stay_as_they_are_at_validation():
    encoder = make_encoder()
    target = OnlineTarget(encoder, num_layers=2, codebook_size=6).eval()
    before = target.codebooks.vectors.clone()
    target(torch.randn(len(MASKED), D), make_batch(encoder=encoder))
    assert torch.equal(target.codebooks.vectors, before)


def test_statistics_tell_collapse_from_even_use():
    even = torch.arange(8).repeat(4).unsqueeze(1)
    logits = F.one_hot(even, 8).float()
    stats = prediction_stats(logits.argmax(-1), even, logits.size(2))
    assert stats["target_perplexity"].item() == pytest.approx(8.0, rel=1e-5)
    assert stats["pred_perplexity"].item() == pytest.approx(8.0, rel=1e-5)
    assert stats["acc_masked"] == 1.0 and stats["code_usage"] == 1.0
    stats = prediction_stats(logits.argmax(-1), torch.zeros_like(even), logits.size(2))
    assert stats["target_perplexity"].item() == pytest.approx(1.0)
    assert stats["code_usage"].item() == pytest.approx(1 / 8)
    assert stats["acc_masked"].item() == pytest.approx(1 / 8)


def test_a_batch_without_masked_frames_costs_nothing():
    layout = PackedLayout.from_lengths([2])
    none = torch.empty(0, dtype=torch.int64)
    codes = torch.zeros(2, 3, dtype=torch.int64)
    batch = MaskedBatch(codes, None, layout, none, None, lambda: None)
    loss, stats = ReconstructionTarget(D, [4, 4, 4])(torch.empty(0, D), batch)
    assert loss == 0.0 and all(torch.isfinite(v) for v in stats.values())


def test_a_cluster_target_without_labels_names_the_stage():
    with pytest.raises(ConfigError, match="rerun stage 'labels'"):
        ClusterTarget(D, 9)(torch.randn(5, D), make_batch())
