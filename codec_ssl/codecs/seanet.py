"""Codecs made of SEANet and a quantizer: EnCodec, ESPnet's own codecs, and TD-NAC.

SEANet is convolutions around a causal LSTM. In a batch every convolution ends each row as it
ends it alone, and the LSTM never looks ahead; in a stream convolutions get their whole context
and the LSTM keeps its state. Alone, batched and chunked are hence the same computation.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from codec_ssl.codecs.base import Codec
from codec_ssl.codecs.quantizers import codes_of, vectors_of
from codec_ssl.codecs.ragged import ends_as_alone, margin
from codec_ssl.codecs.receptive_field import context, seanet_convs
from codec_ssl.codecs.streaming import conv_stage, lstm_stage


class SEANetCodec(Codec):
    """A mono codec whose ``encoder.model`` is SEANet's sequence of layers.

    Args:
        name: See ``Codec``.
        model: Module with ``encoder``, ``quantizer`` and ``decoder``, in EnCodec's layout.
        **settings: See ``Codec``.
    """

    def __init__(self, name: str, model: nn.Module, **settings: object) -> None:
        super().__init__(name, **settings)
        self.model = model
        self._convs = seanet_convs(model.encoder.modules())
        self.freeze()

    def codebook_vectors(self) -> Tensor:
        """Return the codebooks, projected to the latent's space where training did so."""
        with self._numerics():
            return vectors_of(self.model.quantizer, self.num_codebooks)

    def _encode(self, wav: Tensor, lens: list[int]) -> Tensor:
        if len(set(lens)) == 1:
            return self.model.encoder(wav[:, None, : lens[0]]).transpose(1, 2)
        lengths = torch.tensor(lens, device=wav.device)
        frames = self.num_frames(max(lens))
        steps = (frames + margin(self._convs)) * self.hop_length
        padded = wav.new_zeros(len(lens), 1, steps)
        for row, samples, length in zip(padded, wav, lens, strict=True):
            row[0, :length] = samples[:length]
        with ends_as_alone(self._convs, lengths):
            return self.model.encoder(padded)[..., :frames].transpose(1, 2)

    def _quantize(self, latent: Tensor) -> Tensor:
        return codes_of(self.model.quantizer, latent, self.num_codebooks)

    def _decode(self, codes: Tensor) -> Tensor:
        latent = self.model.quantizer.decode(codes.permute(2, 0, 1))
        return self.model.decoder(latent)[:, 0, : self._num_samples(codes.size(1))]

    def _latent_stream(self, blocks: Iterator[Tensor], chunk: int) -> Iterator[Tensor]:
        stream, stride = blocks, self.hop_length
        for stage in _split_at_lstm(self.model.encoder.model):
            if isinstance(stage, nn.Sequential):
                reach = context(seanet_convs(stage.modules()))
                stream = conv_stage(stream, stage, stride=stride, context=reach, chunk=chunk)
                # Whatever comes after the first convolutions runs at the frame rate.
                stride, chunk = 1, chunk // stride
            else:
                stream = lstm_stage(stream, stage.lstm, skip=stage.skip)
        return stream


def _split_at_lstm(layers: nn.Sequential) -> list[nn.Module]:
    """Split into runs of convolutions (as sequences) and, between them, the recurrent layers."""
    stages: list[nn.Module] = []
    run: list[nn.Module] = []
    for layer in layers:
        if hasattr(layer, "lstm"):
            stages += [nn.Sequential(*run), layer]
            run = []
        else:
            run.append(layer)
    return [*stages, nn.Sequential(*run)]
