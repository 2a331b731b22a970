"""DAC: the library's class, its file format, its codes."""

import dac
import pytest
import torch

from codec_ssl.codecs.base import load_codec
from codec_ssl.codecs.dac import DACCodec
from codec_ssl.errors import CodecError


@pytest.mark.parametrize(("sample_rate", "rates"), [(16000, (2, 4, 5, 8)), (44100, (2, 4, 8, 8))])
def test_codes_equal_the_librarys_own(small_dac, tmp_path, make_signal, sample_rate, rates):
    library = small_dac(sample_rate, rates).eval()
    library.save(tmp_path / "weights.pth", package=False)
    codec = load_codec(tmp_path / "weights.pth")
    assert (codec.sample_rate, codec.num_codebooks, codec.codebook_size) == (sample_rate, 4, 64)
    for length in (1, 1000, 3 * codec.hop_length, 12_345):
        wav = torch.from_numpy(make_signal(length))[None]
        with torch.no_grad():
            z, expected, *_ = library.encode(library.preprocess(wav[:, None], sample_rate))
        codes, lens = codec.encode(wav)
        assert torch.equal(codes, expected.transpose(1, 2))
        assert lens.tolist() == [-(-length // codec.hop_length)]
        torch.testing.assert_close(codec.dequantize(codes).transpose(1, 2), z, atol=1e-5, rtol=1e-4)


def test_codebook_vectors_add_up_to_the_librarys_quantized_latent(small_dac):
    library = small_dac().eval()
    codec = DACCodec(library)
    codes = torch.randint(64, (2, 50, 4))
    with torch.no_grad():
        expected = library.quantizer.from_codes(codes.transpose(1, 2))[0].transpose(1, 2)
    vectors = codec.codebook_vectors()
    assert vectors.shape == (4, 64, library.latent_dim)
    total = sum(vectors[q][codes[..., q]] for q in range(4))
    torch.testing.assert_close(total, expected, atol=1e-6, rtol=1e-5)


def test_training_mode_of_the_library_does_not_change_codes(small_dac, make_signal):
    # descript-audio-codec issue 40: in training mode it drops quantizers at random.
    library = small_dac()
    library.quantizer.quantizer_dropout = 1.0
    codec = DACCodec(library)
    wav = torch.from_numpy(make_signal(4000))[None]
    before, _ = codec.encode(wav)
    library.train()
    assert torch.equal(codec.encode(wav)[0], before)


def test_fewer_codebooks_are_a_prefix(small_dac, tmp_path, make_signal):
    small_dac().save(tmp_path / "w.pth", package=False)
    wav = torch.from_numpy(make_signal(4000))[None]
    (tmp_path / "two.yaml").write_text("kind: dac\ncheckpoint: w.pth\nnum_codebooks: 2\n")
    two, four = load_codec(tmp_path / "two.yaml"), load_codec(tmp_path / "w.pth")
    assert torch.equal(two.encode(wav)[0], four.encode(wav)[0][..., :2])
    assert two.fingerprint != four.fingerprint
    assert two.codebook_vectors().shape[0] == 2
    with pytest.raises(CodecError, match=r"num_codebooks is 1\.\.4, found 9"):
        (tmp_path / "two.yaml").write_text("kind: dac\ncheckpoint: w.pth\nnum_codebooks: 9\n")
        load_codec(tmp_path / "two.yaml")


def test_folder_of_the_library_loads(small_dac, tmp_path):
    small_dac().save_to_folder(tmp_path / "run", package=False)
    assert load_codec(tmp_path / "run").num_codebooks == 4


def test_decoding_gives_whole_frames_and_the_librarys_samples(small_dac):
    library = small_dac().eval()
    codec = DACCodec(library)
    codes = torch.randint(64, (2, 20, 4))
    wav, lens = codec.decode(codes, torch.tensor([20, 7]))
    assert wav.shape == (2, 6400)
    assert lens.tolist() == [6400, 2240]
    with torch.no_grad():
        expected = library.decode(library.quantizer.from_codes(codes[1:, :7].transpose(1, 2))[0])
    torch.testing.assert_close(wav[1:, : expected.size(-1)], expected[:, 0])
    assert (wav[1, 2240:] == 0).all()


def test_packages_that_run_code_are_refused(small_dac, tmp_path):
    small_dac().save(tmp_path / "package.pth", package=True)
    with pytest.raises(CodecError, match=r"torch\.package archive"):
        load_codec(tmp_path / "package.pth")


def test_pickled_objects_are_refused(tmp_path):
    torch.save({"other": dac.DAC}, tmp_path / "x.pth")
    with pytest.raises(CodecError, match="plain tensors"):
        load_codec(tmp_path / "x.pth")


def test_weights_of_another_shape_are_refused(small_dac, tmp_path):
    small_dac().save(tmp_path / "w.pth", package=False)
    saved = torch.load(tmp_path / "w.pth", weights_only=True)
    saved["state_dict"].pop("encoder.block.0.bias")
    torch.save(saved, tmp_path / "w.pth")
    with pytest.raises(CodecError, match=r"encoder\.block\.0\.bias"):
        load_codec(tmp_path / "w.pth")


def test_damaged_file_is_named(tmp_path):
    (tmp_path / "cut.pth").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(CodecError, match=r"cut\.pth: damaged"):
        load_codec(tmp_path / "cut.pth")


def test_missing_weights_say_where_and_how(monkeypatch, tmp_path):
    import dac.utils

    def no_network(**_):
        raise OSError("no network")

    monkeypatch.setattr(dac.utils, "download", no_network)
    with pytest.raises(CodecError, match="python -m dac download --model_type 16khz"):
        load_codec("dac_16k")
