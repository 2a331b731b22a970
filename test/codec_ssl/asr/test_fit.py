"""Which utterances a recogniser can be trained on, against ESPnet's encoders and CTC's own loss."""

import itertools

import pytest
import torch

from codec_ssl.asr.fit import encoder_frames, find_unfit, frames_needed, frontend_frames
from codec_ssl.errors import ConfigError, DataError

LAYERS = ("linear", "conv2d", "conv2d1", "conv2d2", "conv2d6", "conv2d8")
TINY = {"output_size": 8, "attention_heads": 2, "linear_units": 8, "num_blocks": 1}


@pytest.mark.parametrize("layer", LAYERS)
def test_frames_are_those_of_espnets_encoders(layer):
    from espnet2.asr.encoder.conformer_encoder import ConformerEncoder
    from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import TooShortUttError

    encoder = ConformerEncoder(24, input_layer=layer, **TINY).eval()
    for frames in (*range(1, 24), 50, 51, 97):
        x = torch.randn(1, frames, 24)
        try:
            found = int(encoder(x, torch.tensor([frames]))[1])
        except TooShortUttError:
            found = 0
        assert encoder_frames(frames, "conformer", {"input_layer": layer}) == found, frames


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_frames_are_those_of_the_fast_conformer(factor):
    from codec_ssl.asr.fast_conformer import FastConformerEncoder

    encoder = FastConformerEncoder(10, subsampling=factor, subsampling_channels=4, **TINY).eval()
    for frames in (1, 2, 3, 7, 8, 9, 30):
        out, lengths, _ = encoder(torch.randn(1, frames, 10), torch.tensor([frames]))
        expected = encoder_frames(frames, "fast_conformer", {"subsampling": factor})
        assert out.size(1) == int(lengths) == expected == -(-frames // factor)


def test_frames_are_those_of_espnets_filterbank():
    from espnet2.asr.frontend.default import DefaultFrontend

    conf = {"n_fft": 64, "hop_length": 20, "n_mels": 5}
    frontend = DefaultFrontend(**conf).eval()
    for samples in (64, 79, 80, 81, 200):
        _, lengths = frontend(torch.randn(1, samples), torch.tensor([samples]))
        assert frontend_frames(samples, "default", conf) == int(lengths)
    assert frontend_frames(7, "codec_units", {}) == 7


def test_ctc_needs_as_many_frames_as_its_loss_is_finite_with():
    for tokens in itertools.chain(
        itertools.product((1, 2), repeat=1),
        itertools.product((1, 2), repeat=3),
        itertools.product((1, 2), repeat=4),
    ):
        losses = [
            torch.nn.functional.ctc_loss(
                torch.zeros(frames, 1, 3).log_softmax(2),
                torch.tensor([tokens]),
                torch.tensor([frames]),
                torch.tensor([len(tokens)]),
            )
            for frames in range(1, 9)
        ]
        least = 1 + next(i for i, loss in enumerate(losses) if loss.isfinite())
        assert frames_needed(tokens, ctc=True) == least
        assert frames_needed(tokens, ctc=False) == len(tokens)


def unfit(**more):
    frames = {"a": 40, "b": 40, "c": 6, "d": 400}
    tokens = {"a": [3, 4], "b": [3, 3, 3, 3, 3, 3], "c": [3], "d": [3]}
    seconds = {utt: count / 10 for utt, count in frames.items()}
    options = {"encoder": "conformer", "encoder_conf": {}, "ctc": True, "max_seconds": 30.0}
    return find_unfit(frames, tokens, seconds, **options | more)


def test_utterances_that_do_not_fit_are_counted_and_named():
    found = unfit()
    # 40 frames are 9 behind ESPnet's conv2d: six equal tokens need 11.
    assert found.short == {"b": (9, 11), "c": (0, 1)} and found.long == {"d": 40.0}
    with pytest.raises(
        DataError, match=r"1 longer than --max_seconds 30.0 \(d: 40.0 s\) and 2"
    ) as e:
        found.settle("a set", 4, 30.0, "error")
    assert "b: 9 for 11, c: 0 for 1" in str(e.value) and "--unfit skip" in str(e.value)
    found.settle("a set", 4, 30.0, "skip")
    with pytest.raises(DataError, match="of 3 utterances"):
        found.settle("a set", 3, 30.0, "skip")


def test_a_transducer_needs_no_blank_between_equal_tokens_and_attention_only_a_frame():
    assert "b" not in unfit(ctc=False) and "c" in unfit(ctc=False)
    assert unfit(ctc=False, one_a_frame=False, max_seconds=None).short == {"c": (0, 1)}


def test_an_unknown_input_layer_is_named():
    with pytest.raises(ConfigError, match="input_layer is one of linear, conv2d"):
        encoder_frames(9, "conformer", {"input_layer": "conv1d3"})
