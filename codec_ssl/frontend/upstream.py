"""Any encoder as the frontend of an ESPnet model: waveforms in, a learnt sum of its layers out.

The encoder stays frozen and is in no checkpoint; ``frontend_conf`` says where it is.
``codec_ssl.tasks.codec_asr`` adds it to ESPnet's own choices as ``codec_ssl_upstream``.

Letters: B utterances, N samples, T frames, D width.
"""

import json
from functools import cache

import torch
from espnet2.asr.frontend.abs_frontend import AbsFrontend
from torch import Tensor

from codec_ssl.features.hidden_states import HiddenStates
from codec_ssl.nn.featurizer import WeightedLayers


class UpstreamFrontend(AbsFrontend):
    """Weighted sum of an encoder's layers, whose weights begin equal and are learnt.

    Args:
        encoder: An experiment directory, a checkpoint in one, a YAML file of ``encoder`` and
            options, or a name that ``features.waves.make_wave_encoder`` knows.
        fs: Rate of the waveforms, Hz.
        codec: Codec before an encoder of codes.
        cache: Folder where codes are kept by the content of the waveform, so that each utterance
            is coded once.
        checkpoint: Which checkpoint of an experiment directory.
        untrained_seed: In place of a checkpoint: fresh weights with this seed.
        tokenizer: Folder of a tokenizer fitted on the encoder: its tokens, with embeddings to
            learn, take the place of the layers.
        normalize: Normalise each layer's frames first.
    """

    def __init__(
        self,
        encoder: str,
        fs: int = 16000,
        codec: str | None = None,
        cache: str | None = None,
        checkpoint: str | None = None,
        untrained_seed: int | None = None,
        tokenizer: str | None = None,
        normalize: bool = False,
    ) -> None:
        super().__init__()
        options = {
            "codec": codec,
            "cache": cache,
            "checkpoint": checkpoint,
            "untrained_seed": untrained_seed,
            "tokenizer": tokenizer,
        }
        given = {name: value for name, value in options.items() if value is not None}
        self.states = HiddenStates(encoder, int(fs), **given)
        self.sum = WeightedLayers(self.states.num_layers, self.states.width, normalize)

    def frames_of(self, num_samples: int) -> int:
        """Frames that so many samples at ``fs`` give."""
        encoder = self.states.encoder
        at_its_rate = round(num_samples * encoder.sample_rate / self.states.sample_rate)
        return encoder.frames_of(max(at_its_rate, encoder.samples_for(1)))

    def output_size(self) -> int:
        """D."""
        return self.states.width

    def forward(self, input: Tensor, input_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode a padded batch, as ESPnet calls it.

        Args:
            input: Waveforms (B, N) at ``fs``.
            input_lengths: Samples of each (B,).

        Returns:
            Features (B, T, D) and frames of each (B,).
        """
        wavs = [wav[:length] for wav, length in zip(input, input_lengths.tolist(), strict=True)]
        layers, frames = self.states(wavs)
        return self.sum(torch.cat(layers, dim=2)), frames


def count_frames(num_samples: int, frontend_conf: str) -> int:
    """Frames that a frontend makes of so many samples.

    Args:
        num_samples: Samples at ``fs``.
        frontend_conf: Options of ``UpstreamFrontend``, as JSON.
    """
    return _counter(frontend_conf).frames_of(num_samples)


@cache
def _counter(frontend_conf: str) -> UpstreamFrontend:
    return UpstreamFrontend(**json.loads(frontend_conf))
