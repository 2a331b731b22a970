"""Trained EnCodecMAE models as encoders of waveforms.

Letters: B batch, T frames, N samples, D width, L layers.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from codec_ssl.codecs.base import Codec, load_codec
from codec_ssl.errors import CheckpointError
from codec_ssl.features.base import WaveEncoder
from codec_ssl.features.mae_input import MEL, make_input
from codec_ssl.ssl.encodecmae import EncodecMAE, build_encodecmae
from codec_ssl.train.checkpoint import digest_state, load_state_strict, load_weights, read_config

# ESPnet's wrapper holds the plain model under this name, and its training records the kind.
PREFIX, KIND = "encodecmae.", "encodecmae"


class EncodecMAEEncoder(WaveEncoder):
    """Input features, projection and encoder of an EnCodecMAE, without masking and decoder.

    Layers 1 to L are the normalised stream of each layer, which self-training clusters; L + 1, the
    last, is the encoder's output, which HEAR's tasks get. Recordings longer than the training's
    crops are encoded in pieces of near-equal length.

    Args:
        model: The model; it is moved to the input's device.
        source: Its input features.
        config: What it was built from; a part of the fingerprint.
        name: Name for tables and messages.
    """

    def __init__(
        self, model: EncodecMAE, source: WaveEncoder, config: Mapping[str, Any], name: str
    ) -> None:
        self.name, self.device = name, source.device
        self.sample_rate, self.frame_rate = source.sample_rate, source.frame_rate
        self.num_layers, self.width = model.num_layers, model.encoder.dim
        self._max_frames: int | None = int(config["crop_frames"])
        self.fingerprint = _digest(model, source, config)
        self._source, self._model = source, model.to(self.device).eval()

    def encode(
        self, inputs: Tensor, lens: Tensor, layers: Sequence[int]
    ) -> tuple[dict[int, Tensor], Tensor]:
        """See ``SpeechEncoder.encode``; layers above the highest one wanted are not computed."""
        self.check_layers(layers)
        features, frames = self._source.encode(inputs, lens, [0])
        found = self._model.extract(features[0], frames, list(layers), self._max_frames)
        return found, frames

    def cut_nothing(self) -> None:
        """See ``WaveEncoder.cut_nothing``."""
        self._max_frames = None

    def frames_of(self, num_samples: int) -> int:
        """See ``WaveEncoder.frames_of``."""
        return self._source.frames_of(num_samples)

    def samples_for(self, num_frames: int) -> int:
        """See ``WaveEncoder.samples_for``."""
        return self._source.samples_for(num_frames)


def is_encodecmae(config: Mapping[str, Any]) -> bool:
    """Whether the ``config.yaml`` of an experiment is that of an EnCodecMAE."""
    return (config.get("data_record") or {}).get("model") == KIND


def load_encodecmae(
    exp_dir: str | Path,
    device: str | torch.device = "cpu",
    checkpoint: str = "latest",
    *,
    untrained_seed: int | None = None,
) -> EncodecMAEEncoder:
    """Load the model of an experiment directory, or an untrained one of the same shape.

    Args:
        exp_dir: Folder with ``config.yaml`` and checkpoints.
        device: Where to compute.
        checkpoint: ``latest``, ``best`` or an epoch number.
        untrained_seed: Take no trained weights: a fresh model with this seed.

    Raises:
        CheckpointError: If the weights are missing or belong to another model, or the codec is not
            the one that the training had.
        CodecError: If the codec is not to be found.
        ConfigError: If the config is wrong.
    """
    name = Path(exp_dir).name
    if untrained_seed is None:
        config, state = load_weights(exp_dir, checkpoint, prefix=PREFIX)
        model = build_encodecmae(config)
        load_state_strict(model, state, str(exp_dir))
    else:
        config, name = read_config(exp_dir), f"untrained {name}"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(untrained_seed)
            model = build_encodecmae(config)
    codec = None if config["input"] == MEL else _codec(config, Path(exp_dir), device)
    source = make_input(config["input"], config["input_conf"], codec, device)
    return EncodecMAEEncoder(model, source, config, name)


def _codec(config: Mapping[str, Any], exp_dir: Path, device: str | torch.device) -> Codec:
    """The codec of the training: where it was then, or beside the experiment."""
    recorded = config["data_record"].get("codec") or {}
    if not recorded.get("path"):
        raise CheckpointError(
            f"{exp_dir}/config.yaml: expected data_record.codec, which a training with --codec"
            f" writes, found none: inputs {config['input']} of waveforms need the codec",
            stage="pretrain",
        )
    path = Path(recorded["path"])
    beside = exp_dir.absolute().parent / path.name
    spec = beside if path.is_absolute() and not path.exists() and beside.exists() else path
    codec = load_codec(spec, device)
    if codec.fingerprint != recorded["fingerprint"]:
        raise CheckpointError(
            f"{exp_dir}: expected the codec {recorded['fingerprint'][:12]} that it was trained"
            f" with, found {codec.fingerprint[:12]} in {spec}",
            stage="codec",
        )
    return codec


def _digest(model: EncodecMAE, source: WaveEncoder, config: Mapping[str, Any]) -> str:
    """sha256 of all that features depend on: input, options and weights up to the encoder."""
    options = json.dumps([config.get("encoder_conf"), config["crop_frames"]], sort_keys=True)
    digest = hashlib.sha256(f"{source.fingerprint}{options}".encode())
    for part in (model.projection, model.positions, model.encoder):
        digest_state(digest, part.state_dict())
    return digest.hexdigest()
