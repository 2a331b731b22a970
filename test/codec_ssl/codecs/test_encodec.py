"""EnCodec: the library's classes, its file format, its codes."""

import pytest
import torch
from encodec import EncodecModel

from codec_ssl.codecs.base import load_codec
from codec_ssl.codecs.encodec import SegmentedEncodec, wrap_encodec
from codec_ssl.errors import CodecError


def library_codes(model, wav):
    """What ``EncodecModel.encode`` gives for ``(1, C, N)``: ``(1, T, Q)`` over all segments."""
    with torch.no_grad():
        return torch.cat([codes for codes, _ in model.encode(wav)], dim=-1).transpose(1, 2)


@pytest.mark.parametrize(("causal", "rate"), [(True, 24000), (False, 16000)])
def test_codes_equal_the_librarys_own(small_encodec, make_signal, causal, rate):
    library = small_encodec(rate, causal)
    codec = wrap_encodec(library, "x")
    for length in (1, 321, 5000, 12_345):
        wav = torch.from_numpy(make_signal(length))[None]
        codes, lens = codec.encode(wav)
        assert torch.equal(codes, library_codes(library, wav[:, None]))
        assert lens.tolist() == [-(-length // 320)]


def test_segmented_codes_equal_the_librarys_own(small_encodec, make_signal):
    library = small_encodec(48000, False, True)
    codec = SegmentedEncodec(library, "x")
    for length in (500, 48_000, 60_000, 100_001):
        wav = torch.from_numpy(make_signal(length))[None]
        codes, lens = codec.encode(wav)
        expected = library_codes(library, wav[:, None].expand(-1, 2, -1))
        assert torch.equal(codes, expected)
        assert lens.tolist() == [expected.size(1)] == [codec.num_frames(length)]
    assert codec.frame_rate == pytest.approx(150 / 0.99)
    wav, lens = codec.decode(codes)
    # Overlapping segments are joined, not stacked: within a frame of the input's length.
    assert abs(int(lens[0]) - 100_001) < 320
    assert wav.shape == (1, int(lens[0]))


def test_codebook_vectors_add_up_to_the_librarys_quantized_latent(small_encodec):
    library = small_encodec()
    codec = wrap_encodec(library, "x")
    codes = torch.randint(64, (2, 30, 4))
    expected = library.quantizer.decode(codes.permute(2, 0, 1)).transpose(1, 2)
    vectors = codec.codebook_vectors()
    assert vectors.shape == (4, 64, 16)
    total = sum(vectors[q][codes[..., q]] for q in range(4))
    torch.testing.assert_close(total, expected)


def test_official_state_dict_of_the_24_khz_model_loads(tmp_path, make_signal):
    torch.manual_seed(0)
    library = EncodecModel.encodec_model_24khz(pretrained=False)
    for layer in library.quantizer.vq.layers:
        layer._codebook.embed.normal_(0, 0.1)
    torch.save(library.state_dict(), tmp_path / "encodec_24khz-d7cc33bc.th")
    (tmp_path / "six.yaml").write_text(
        "kind: encodec\nmodel_type: 24khz\nnum_codebooks: 8\n"
        "checkpoint: encodec_24khz-d7cc33bc.th\n"
    )
    codec = load_codec(tmp_path / "six.yaml")
    assert (codec.num_codebooks, codec.frame_rate, codec.latent_dim) == (8, 75, 128)
    library.set_target_bandwidth(6.0)
    wav = torch.from_numpy(make_signal(8000))[None]
    assert torch.equal(codec.encode(wav)[0], library_codes(library, wav[:, None]))
    assert load_codec(tmp_path / "encodec_24khz-d7cc33bc.th").num_codebooks == 32


def test_a_16_khz_model_is_described_in_yaml(tmp_path):
    library = EncodecModel._get_model([1.0, 8.0], 16000, 1, causal=True)
    for layer in library.quantizer.vq.layers:
        layer._codebook.embed.normal_(0, 0.1)
    torch.save(library.state_dict(), tmp_path / "mine.th")
    (tmp_path / "mine.yaml").write_text(
        "kind: encodec\nmodel_type: custom\nsample_rate: 16000\ntarget_bandwidths: [1.0, 8.0]\n"
        "num_codebooks: 12\ncheckpoint: mine.th\n"
    )
    codec = load_codec(tmp_path / "mine.yaml")
    assert (codec.sample_rate, codec.frame_rate, codec.num_codebooks) == (16000, 50, 12)
    with pytest.raises(CodecError, match="doesn't tell its sample rate"):
        load_codec(tmp_path / "mine.th")


def test_untrained_codebooks_are_refused(tmp_path):
    library = EncodecModel._get_model([1.0], 16000, 1)
    torch.save(library.state_dict(), tmp_path / "encodec_24khz.th")
    (tmp_path / "c.yaml").write_text(
        "kind: encodec\nmodel_type: custom\nsample_rate: 16000\ntarget_bandwidths: [1.0]\n"
        "checkpoint: encodec_24khz.th\n"
    )
    with pytest.raises(CodecError, match="codebook 0 of 2 was never trained"):
        load_codec(tmp_path / "c.yaml")


def test_missing_weights_say_where_and_how(monkeypatch, tmp_path):
    def no_network(pretrained=True):
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    real = EncodecModel.encodec_model_24khz
    monkeypatch.setattr(
        EncodecModel,
        "encodec_model_24khz",
        staticmethod(lambda pretrained=True: no_network() if pretrained else real(False)),
    )
    with pytest.raises(CodecError, match=r"encodec_24khz-d7cc33bc\.th"):
        load_codec("encodec_24k")
