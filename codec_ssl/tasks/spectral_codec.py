"""Training of the spectral codec: ESPnet's SoundStream, its losses and its discriminators, with
another encoder and decoder."""

from typing import Any

from espnet2.gan_codec.soundstream.soundstream import SoundStream

from codec_ssl.codecs.quantizers import build_quantizer
from codec_ssl.codecs.spectral import DEFAULTS, build_coders

_SHAPE = ("hop_length", "window_length", "width", "num_blocks")


class SpectralSoundStream(SoundStream):
    """A ``SoundStream`` whose generator is that of `codec_ssl.codecs.spectral`.

    Args:
        sampling_rate: In Hz.
        generator_params: Shape of the coders and ``quantizer_*`` options; what is not given is
            `codec_ssl.codecs.spectral.DEFAULTS` or SoundStream's.
        **options: Losses and discriminators, as for SoundStream.
    """

    def __init__(
        self,
        sampling_rate: int = 16000,
        generator_params: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        conf = {**DEFAULTS, **(generator_params or {})}
        quantizer = {name: value for name, value in conf.items() if name not in _SHAPE}
        frame_size = {
            "encdec_ratios": [conf["hop_length"]],
            "encdec_n_filters": 2,
            "encdec_lstm": 0,
        }
        super().__init__(
            sampling_rate=sampling_rate,
            generator_params={**quantizer, **frame_size, "sample_rate": sampling_rate},
            **options,
        )
        self.generator.encoder, self.generator.decoder = build_coders(conf)
        self.generator.quantizer = build_quantizer(conf)
