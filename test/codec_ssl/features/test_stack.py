"""All layers side by side are an encoder."""

import torch
from toy_layers import Layers

from codec_ssl.features.stack import LayerStack


def test_a_stack_is_every_layer_one_behind_the_other_from_one_pass():
    encoder = Layers()
    stack = LayerStack(encoder)
    wav = torch.arange(8.0).view(2, 4)
    found, lens = stack.encode(wav, torch.tensor([4, 3]), [0])
    assert found[0].shape == (2, 2, 3) and lens.tolist() == [2, 2]
    for layer in range(3):
        assert torch.equal(found[0][..., layer], layer + wav[:, ::2])
    assert encoder.asked == [0, 1, 2]
    assert (stack.num_layers, stack.num_stacked, stack.layer_width, stack.width) == (0, 3, 1, 3)
    assert (stack.frames_of(5), stack.samples_for(3), stack.sample_rate) == (3, 5, 100)


def test_a_stack_is_another_encoder_than_what_it_is_made_of():
    once, twice = LayerStack(Layers()), LayerStack(LayerStack(Layers()))
    assert len({"f", once.fingerprint, twice.fingerprint}) == 3
