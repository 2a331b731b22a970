"""Units from waveforms: each is made once for a content, and means what its maker said."""

import pytest
import torch
import toy_waves

from codec_ssl.codecs.base import load_codec
from codec_ssl.errors import CheckpointError, ConfigError
from codec_ssl.features.base import origin_of
from codec_ssl.features.hidden_states import HiddenStates
from codec_ssl.features.ours import load_encoder
from codec_ssl.features.wave_units import CachedUnits, CodecUnits
from codec_ssl.features.waves import make_wave_encoder
from codec_ssl.tokenizers.kmeans import KMeans, KMeansOptions
from codec_ssl.tokenizers.repcodec import RepCodec, RepCodecOptions

LAYER = 2


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder with ``exp``, ``codec`` and a k-means ``km`` on layer 2 of the experiment."""
    root = tmp_path_factory.mktemp("units")
    codec_file = toy_waves.make_codec(root / "codec")
    toy_waves.make_exp(root, codec_file)
    encoder = load_encoder(root / "exp")
    kmeans = KMeans(KMeansOptions(num_clusters=6), origin_of(encoder, LAYER))
    codes = torch.randint(32, (1, 300, 2), generator=torch.Generator().manual_seed(0))
    features, _ = encoder.encode(codes, torch.tensor([300]), [LAYER])
    kmeans.fit([features[LAYER][0]]).save(root / "km")
    return root


def wavs(*lengths):
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(length, generator=generator).clamp(-1, 1) for length in lengths]


def batch(*lengths):
    rows = wavs(*lengths)
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), torch.tensor(lengths)


class Counting(CodecUnits):
    def __init__(self, codec):
        super().__init__(codec)
        self.coded = []

    def encode(self, wav, lens):
        self.coded += lens.tolist()
        return super().encode(wav, lens)


def test_each_content_is_coded_once_in_any_batch_and_by_any_process(made, tmp_path):
    units = Counting(load_codec(made / "codec" / "toy.pth"))
    kept = CachedUnits(units, tmp_path)
    inputs, lens = batch(3000, 1600, 3000)
    inputs[2] = inputs[0]
    codes, frames = kept.encode(inputs, lens)
    expected, expected_frames = units.encode(inputs, lens)
    assert units.coded == [3000, 1600, 3000, 1600, 3000]
    assert frames.tolist() == expected_frames.tolist()
    for row, wanted, count in zip(codes, expected, frames.tolist(), strict=True):
        assert torch.equal(row[:count], wanted[:count])
    again = CachedUnits(units, tmp_path)
    found, frames = again.encode(inputs[1:2, :2000], lens[1:2])
    assert len(units.coded) == 5, "the same samples, in other padding"
    assert torch.equal(found[0], expected[1, : frames[0]])


def test_an_encoder_with_kept_codes_gives_the_same_features(made, tmp_path):
    options = {"codec": str(made / "codec" / "toy.pth")}
    plain = make_wave_encoder(str(made / "exp"), **options)
    kept = make_wave_encoder(str(made / "exp"), cache=str(tmp_path), **options)
    assert kept.fingerprint == plain.fingerprint
    for _ in range(2):
        found, _ = kept.encode(*batch(3000, 1600), [1, 3])
        expected, _ = plain.encode(*batch(3000, 1600), [1, 3])
        torch.testing.assert_close(found[3][0], expected[3][0])
        torch.testing.assert_close(found[1][1, :5], expected[1][1, :5])


def test_raw_embeddings_are_the_codecs_quantized_latent(made, tmp_path):
    codec_file = str(made / "codec" / "toy.pth")
    encoder = make_wave_encoder("codec", codec=codec_file, cache=str(tmp_path))
    expected = make_wave_encoder(f"quantized:{codec_file}")
    found, frames = encoder.encode(*batch(3000, 1600), [0])
    wanted, _ = expected.encode(*batch(3000, 1600), [0])
    assert frames.tolist() == [10, 5]
    torch.testing.assert_close(found[0][0], wanted[0][0])


def test_tokens_begin_as_their_centroids_and_their_embeddings_learn(made, tmp_path):
    options = {"codec": str(made / "codec" / "toy.pth"), "cache": str(tmp_path)}
    states = HiddenStates(str(made / "exp"), tokenizer=str(made / "km"), **options)
    frozen = HiddenStates(str(made / "exp"), codec=options["codec"])
    kmeans = KMeans.load(made / "km")
    inputs = wavs(3000, 1600)
    (found,), frames = states(inputs)
    features = frozen(inputs)[0][LAYER]
    assert frames.tolist() == [10, 5] and not found[1, 5:].any()
    for row, wanted, count in zip(found, features, frames.tolist(), strict=True):
        expected = kmeans.decode(kmeans.encode(wanted[:count]))
        torch.testing.assert_close(row[:count].detach(), expected)
    found.sum().backward()
    assert sum(p.grad.abs().sum() for p in states.parameters()) > 0
    assert states.trainable and not frozen.trainable and not list(frozen.parameters())
    (kept,) = tmp_path.glob("*/*.codes")
    assert kept.stat().st_size == 2 * 40 + 4 + 2, "tokens are kept, 3 bits a frame; codes are not"


def test_tokens_of_a_repcodec_begin_as_the_entries_of_its_codebooks(made, tmp_path):
    origin = origin_of(load_encoder(made / "exp"), LAYER)
    options = RepCodecOptions(width=32, num_clusters=8, num_quantizers=2)
    repcodec = RepCodec(options, origin)
    repcodec.save(tmp_path / "repcodec")
    codec = {"codec": str(made / "codec" / "toy.pth")}
    states = HiddenStates(str(made / "exp"), tokenizer=str(tmp_path / "repcodec"), **codec)
    (found,), frames = states(wavs(3000, 1600))
    features = HiddenStates(str(made / "exp"), **codec)(wavs(3000, 1600))[0][LAYER]
    books = repcodec.codec.quantizer.codebooks.vectors
    for row, wanted, count in zip(found, features, frames.tolist(), strict=True):
        tokens = repcodec.encode(wanted[:count], torch.tensor([count]))
        expected = sum(books[q][tokens[:, q]] for q in range(2))
        torch.testing.assert_close(row[:count].detach(), expected)


def test_codes_with_embeddings_of_another_width_begin_at_random(made):
    name = f"codes:{made / 'codec' / 'toy.pth'}"
    encoder, other = make_wave_encoder(name), make_wave_encoder(name, width=8)
    assert (encoder.width, other.width) == (64, 8)
    found, _ = encoder.encode(*batch(3000), [0])
    expected, _ = make_wave_encoder(f"quantized:{made / 'codec' / 'toy.pth'}").encode(
        *batch(3000), [0]
    )
    torch.testing.assert_close(found[0].detach(), expected[0])
    assert other.encode(*batch(3000), [0])[0][0].shape == (1, 10, 8)


def test_a_tokenizer_of_another_encoder_is_refused(made):
    options = {"codec": str(made / "codec" / "toy.pth"), "tokenizer": str(made / "km")}
    with pytest.raises(CheckpointError, match=r"which the kmeans was fitted on"):
        make_wave_encoder(str(made / "exp"), untrained_seed=1, **options)


def test_audio_of_another_rate_is_resampled_and_none_is_too_short(made):
    options = {"codec": str(made / "codec" / "toy.pth")}
    states = HiddenStates(str(made / "exp"), 8000, **options)
    layers, frames = states([torch.zeros(1500), torch.zeros(3)])
    assert frames.tolist() == [10, 1]
    assert [tuple(layer.shape) for layer in layers] == [(2, 10, 32)] * 4


def test_an_unknown_option_is_named(made):
    with pytest.raises(ConfigError, match="unknown options colour"):
        HiddenStates(str(made / "exp"), colour="red")
