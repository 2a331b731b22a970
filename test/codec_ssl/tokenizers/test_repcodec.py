"""RepCodec: what the authors' code does, to the letter, and every utterance by itself."""

import plain_repcodec as plain
import pytest
import torch

from codec_ssl.errors import CheckpointError, ConfigError, DataError
from codec_ssl.nn.packed import PackedLayout
from codec_ssl.tokenizers import repcodec as module
from codec_ssl.tokenizers.base import Origin
from codec_ssl.tokenizers.registry import load_tokenizer
from codec_ssl.tokenizers.repcodec import RepCodec, RepCodecOptions
from codec_ssl.tokenizers.repcodec_import import import_repcodec
from codec_ssl.tokenizers.vq import VQ, VQOptions

WIDTH, LENGTHS = 12, [31, 1, 8, 2, 57]
OPTIONS = RepCodecOptions(width=WIDTH, num_clusters=20, num_quantizers=2)
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def imported(tmp_path, **shape):
    state = plain.official_state(WIDTH, **shape)
    return state, import_repcodec(plain.save_official(state, tmp_path / "official.pkl"))


def utterances(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(length, WIDTH, generator=generator) for length in LENGTHS]


@pytest.mark.parametrize("num_quantizers", [1, 2])
@pytest.mark.parametrize("blocks", [(2, 2), (8, 2)])
def test_encoder_quantizer_and_decoder_equal_the_plain_ones(tmp_path, num_quantizers, blocks):
    state, tokenizer = imported(tmp_path, num_quantizers=num_quantizers, blocks=blocks)
    assert tokenizer.options.encoder_blocks == blocks[0]
    layout = PackedLayout.from_lengths(LENGTHS)
    x = torch.cat(utterances())
    with torch.no_grad():
        latent = tokenizer.codec.encoder(x, layout)
        output = tokenizer.codec(x, layout)
    latents = [plain.latent(state, utt.t()).t() for utt in utterances()]
    torch.testing.assert_close(latent, torch.cat(latents), **CLOSE)
    total, ids, losses, _ = plain.quantize(state, torch.cat(latents))
    assert torch.equal(output.ids, ids)
    torch.testing.assert_close(output.commitment_loss, losses.sum(), **CLOSE)
    again = [plain.decode(state, piece.t()).t() for piece in total.split(LENGTHS)]
    torch.testing.assert_close(output.reconstruction, torch.cat(again), **CLOSE)
    expected = (torch.cat(again) - x).square().mean()
    torch.testing.assert_close(output.reconstruction_loss, expected, **CLOSE)


@pytest.mark.parametrize("num_quantizers", [1, 2])
def test_a_training_step_has_the_plain_gradients_and_moves_the_codebooks_alike(
    tmp_path, num_quantizers
):
    state, tokenizer = imported(tmp_path, num_quantizers=num_quantizers)
    params = {name: p for name, p in state.items() if "quantizer" not in name}
    for param in params.values():
        param.requires_grad_()
    codec = tokenizer.codec.train()
    layout = PackedLayout.from_lengths(LENGTHS)
    for step in range(3):
        x = torch.cat(utterances(step))
        codec.zero_grad()
        output = codec(x, layout)
        (45 * output.reconstruction_loss + output.commitment_loss).backward()
        latents = torch.cat([plain.latent(state, utt.t()).t() for utt in utterances(step)])
        total, ids, losses, inputs = plain.quantize(state, latents)
        again = [plain.decode(state, piece.t()).t() for piece in total.split(LENGTHS)]
        loss = 45 * (torch.cat(again) - x).square().mean() + losses.sum()
        grads = torch.autograd.grad(loss, list(params.values()))
        plain.update(state, ids, inputs)
        # Gradients go through the import too, which gives them our names.
        as_weights = state | dict(zip(params, grads, strict=True))
        wanted = import_repcodec(plain.save_official(as_weights, tmp_path / "gradients.pkl"))
        for name, param in wanted.codec.named_parameters():
            found = codec.get_parameter(name).grad
            torch.testing.assert_close(found, param.data, rtol=1e-4, atol=1e-5)
        books = codec.quantizer.codebooks
        for layer in range(num_quantizers):
            prefix = f"quantizer.codebook.layers.{layer}"
            for name, wanted in {
                "counts": state[f"{prefix}.cluster_size"],
                "sums": state[f"{prefix}.embed_avg"].t(),
                "vectors": state[f"{prefix}.embed"].t(),
            }.items():
                torch.testing.assert_close(getattr(books, name)[layer], wanted, **CLOSE)


def test_later_codebooks_teach_the_encoder_nothing(tmp_path):
    _, tokenizer = imported(tmp_path, num_quantizers=3)
    codec = tokenizer.codec.train()
    x = torch.cat(utterances())
    latent = codec.encoder(x, PackedLayout.from_lengths(LENGTHS))
    commitment = codec.quantizer(latent).commitment
    assert commitment[0].requires_grad
    (first,) = torch.autograd.grad(commitment[0], latent, retain_graph=True)
    (every,) = torch.autograd.grad(commitment.sum(), latent)
    assert first.abs().sum() > 0
    assert torch.equal(first, every)


def test_a_fresh_codec_starts_as_the_authors_does():
    torch.manual_seed(0)
    books = RepCodec(RepCodecOptions(width=256, num_clusters=512)).codec.quantizer.codebooks
    assert books.counts.eq(0).all()
    assert torch.equal(books.sums, books.vectors) and books.sums is not books.vectors
    assert books.vectors.mean().abs() < 0.02 and abs(books.vectors.std() - 1) < 0.02
    assert books.decay == 0.8 and books.epsilon == 1e-5


@pytest.mark.parametrize(("width", "blocks", "millions"), [(768, 2, 33.0), (1024, 8, 127.9)])
def test_sizes_are_those_of_the_paper(width, blocks, millions):
    with torch.device("meta"):
        codec = RepCodec.build(RepCodecOptions(width=width, encoder_blocks=blocks))
    count = sum(p.numel() for p in codec.parameters())
    # The 127.9 M of table 2a's codec count the encoder's 8 blocks.
    assert count / 1e6 == pytest.approx(millions, abs=0.1)


def test_an_utterance_gets_the_same_tokens_alone_and_batched(tmp_path):
    state, tokenizer = imported(tmp_path, num_quantizers=2)
    whole = tokenizer.encode(torch.cat(utterances()), torch.tensor(LENGTHS))
    for utt, found in zip(utterances(), whole.split(LENGTHS), strict=True):
        alone = tokenizer.encode(utt, torch.tensor([len(utt)]))
        assert torch.equal(alone, found)
        assert torch.equal(plain.tokens(state, utt), found)
    assert whole.dtype == torch.int64 and whole.shape == (sum(LENGTHS), 2)


@pytest.mark.parametrize("window", [1, 7, 40])
def test_long_inputs_in_windows_give_the_same(tmp_path, monkeypatch, window):
    _, tokenizer = imported(tmp_path)
    x, lens = torch.cat(utterances()), torch.tensor(LENGTHS)
    tokens, again = tokenizer.encode(x, lens), tokenizer.reconstruct(x, lens)
    monkeypatch.setattr(module, "_WINDOW", window)
    assert torch.equal(tokenizer.encode(x, lens), tokens)
    torch.testing.assert_close(tokenizer.reconstruct(x, lens), again, **CLOSE)


def test_reconstruct_is_what_training_sees(tmp_path):
    _, tokenizer = imported(tmp_path, num_quantizers=2)
    x = torch.cat(utterances())
    with torch.no_grad():
        output = tokenizer.codec(x, PackedLayout.from_lengths(LENGTHS))
    again = tokenizer.reconstruct(x, torch.tensor(LENGTHS))
    torch.testing.assert_close(again, output.reconstruction, **CLOSE)
    assert torch.equal(tokenizer.encode(x, torch.tensor(LENGTHS)), output.ids)


def test_fitting_on_a_stream_learns_to_reconstruct():
    torch.manual_seed(0)
    tokenizer = RepCodec(OPTIONS)
    x, lens = torch.cat(utterances()), torch.tensor(LENGTHS)
    before = (tokenizer.reconstruct(x, lens) - x).square().mean()
    tokenizer.fit([x] * 150, crop_frames=32, lr=2e-3)
    after = (tokenizer.reconstruct(x, lens) - x).square().mean()
    assert after < 0.75 * before


@pytest.mark.parametrize("kind", ["vq", "repcodec"])
def test_saved_and_loaded_tokenizers_are_equal(tmp_path, kind):
    origin = Origin("hubert", "abc", 9, 50.0)
    torch.manual_seed(0)
    if kind == "vq":
        tokenizer = VQ(VQOptions(width=WIDTH, num_clusters=20, num_quantizers=2), origin)
    else:
        tokenizer = RepCodec(OPTIONS, origin)
    tokenizer.fit([torch.cat(utterances())] * 5)
    tokenizer.save(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert type(loaded) is type(tokenizer) and loaded.origin == origin
    assert loaded.fingerprint == tokenizer.fingerprint
    assert loaded.options == tokenizer.options and loaded.report == tokenizer.report
    x, lens = torch.cat(utterances()), torch.tensor(LENGTHS)
    assert torch.equal(loaded.encode(x, lens), tokenizer.encode(x, lens))
    assert torch.equal(loaded.reconstruct(x, lens), tokenizer.reconstruct(x, lens))


def test_vq_is_the_quantizer_alone():
    torch.manual_seed(0)
    tokenizer = VQ(VQOptions(width=WIDTH, num_clusters=20))
    assert not list(tokenizer.codec.parameters())
    x, lens = torch.cat(utterances()), torch.tensor(LENGTHS)
    untrained = tokenizer.reconstruct(x, lens)
    tokenizer.fit([x] * 100)
    vectors = tokenizer.codec.quantizer.codebooks.vectors[0]
    tokens = tokenizer.encode(x, lens)
    assert torch.equal(tokens[:, 0], torch.cdist(x, vectors).argmin(1))
    again = tokenizer.reconstruct(x, lens)
    assert torch.equal(again, vectors[tokens[:, 0]])
    assert (again - x).square().mean() < 0.8 * (untrained - x).square().mean()


def test_features_of_another_width_and_impossible_options_are_refused():
    tokenizer = RepCodec(OPTIONS)
    with pytest.raises(DataError, match=r"width 12, as the repcodec was fitted on.*\(5, 13\)"):
        tokenizer.encode(torch.zeros(5, 13), torch.tensor([5]))
    with pytest.raises(ConfigError, match="encoder_blocks: expected at least 1, found 0"):
        RepCodecOptions(width=4, encoder_blocks=0)
    with pytest.raises(ConfigError, match="num_clusters"):
        VQOptions(width=4, num_clusters=1)
    with pytest.raises(ConfigError, match="decay"):
        VQOptions(width=4, decay=1.0)
    with pytest.raises(ConfigError, match=r"options of a vq tokenizer.*encoder_blocks"):
        VQ.from_settings({"width": 4, "encoder_blocks": 2})


def test_an_unknown_kind_is_named(tmp_path):
    RepCodec(OPTIONS).save(tmp_path)
    settings = tmp_path / "tokenizer.yaml"
    settings.write_text(settings.read_text().replace("kind: repcodec", "kind: soundstream"))
    with pytest.raises(CheckpointError, match=r"expected one of .*vq.*found 'soundstream'"):
        load_tokenizer(tmp_path)


def damaged(state, damage):
    if damage == "no model":
        return {"state_dict": state}
    if damage == "unknown key":
        state["encoder.lstm.weight"] = torch.zeros(1)
    if damage == "no codebook":
        state = {key: value for key, value in state.items() if "quantizer" not in key}
    if damage == "other kernel":
        state["encoder.conv.conv.weight"] = torch.zeros(WIDTH, WIDTH, 7)
    if damage == "missing":
        del state["decoder.conv2.conv.weight"]
    return {"model": {"repcodec": state}}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("no model", r"\['model'\]\['repcodec'\], found \['state_dict'\]"),
        ("unknown key", r"found 'encoder.lstm.weight'"),
        ("no codebook", "expected codebooks, found none"),
        ("other kernel", r"of another shape: encoder.head.weight \(12, 12, 7\)"),
        ("missing", "missing: decoder.tail.weight"),
    ],
)
def test_checkpoints_of_another_layout_are_refused(tmp_path, damage, message):
    path = tmp_path / "other.pkl"
    torch.save(damaged(plain.official_state(WIDTH), damage), path)
    with pytest.raises(CheckpointError, match=message) as error:
        import_repcodec(path)
    assert str(path) in str(error.value)


def test_checkpoints_with_code_in_them_are_refused(tmp_path):
    path = tmp_path / "code.pkl"
    torch.save({"model": {"repcodec": {}}, "hook": OPTIONS}, path)
    with pytest.raises(CheckpointError, match="not loadable as plain tensors"):
        import_repcodec(path)
