"""The context of an encoder's frames is exactly what they read."""

import pytest
import torch

from codec_ssl.codecs.receptive_field import context, plain_convs, seanet_convs, total_stride


@pytest.mark.parametrize("kind", ["dac_16k", "dac_44k", "encodec_16k"])
def test_frames_read_their_context_and_no_more(codecs, kind):
    codec = codecs[kind]
    if kind.startswith("dac"):
        network, convs = codec.model.encoder, plain_convs(codec.model.encoder.modules())
    else:
        layers = codec.model.encoder.model
        until_lstm = next(i for i, layer in enumerate(layers) if hasattr(layer, "lstm"))
        network = layers[:until_lstm]
        convs = seanet_convs(network.modules())
    hop = codec.hop_length
    assert total_stride(convs) == hop
    left, right = context(convs)
    assert left % hop == right % hop == 0
    middle, frames = 40, 80
    torch.manual_seed(0)
    wav = torch.randn(1, 1, frames * hop, requires_grad=True)
    network(wav)[..., middle].sum().backward()
    read = wav.grad[0, 0].nonzero()[:, 0]
    first, last = int(read[0]), int(read[-1])
    # Contexts are whole frames; one frame less would not do.
    assert middle * hop - left <= first
    assert last < (middle + 1) * hop + right
    assert first < middle * hop - left + 2 * hop
    assert last >= (middle + 1) * hop + right - 2 * hop
