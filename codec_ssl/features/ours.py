"""Our own trained models as speech encoders.

Letters: B batch, T frames, Q codebooks, D width.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from codec_ssl.errors import CheckpointError
from codec_ssl.features.base import SpeechEncoder
from codec_ssl.features.encodecmae import EncodecMAEEncoder, is_encodecmae, load_encodecmae
from codec_ssl.ssl.codec2vec import Codec2Vec, build_codec2vec
from codec_ssl.train.checkpoint import (
    digest_state,
    load_state_strict,
    load_weights,
    read_config,
)

# ESPnet's wrapper holds the plain model under this name.
_PREFIX = "codec2vec."


class Codec2VecEncoder(SpeechEncoder):
    """Frontend and Transformer of a Codec2Vec model, in eval mode, without masking.

    Args:
        model: The model; it is moved to ``device``.
        config: What it was built from; a part of the fingerprint.
        name: Name for tables and messages.
        codes: What the training recorded about its codes (`codec_ssl.tokens.contract.record`).
        device: Where to compute.

    Attributes:
        codes: As given; codes of another maker mean nothing to the model.
    """

    input_kind = "codes"

    def __init__(
        self,
        model: Codec2Vec,
        config: Mapping[str, Any],
        name: str,
        codes: Mapping[str, Any],
        device: str | torch.device = "cpu",
    ) -> None:
        self.device = torch.device(device)
        self.name, self.codes, self.frame_rate = name, codes, float(codes["frame_rate"])
        self.num_layers, self.width = model.encoder.num_layers, model.encoder.dim
        self.fingerprint = _digest(model, config)
        self._model = model.to(self.device).eval()

    def encode(
        self, inputs: Tensor, lens: Tensor, layers: Sequence[int]
    ) -> tuple[dict[int, Tensor], Tensor]:
        """See ``SpeechEncoder.encode``; layers above the highest one wanted are not computed."""
        self.check_layers(layers)
        features = self._model.extract(inputs.to(self.device), lens, list(layers))
        return features, lens.to(self.device)


def load_encoder(
    exp_dir: str | Path,
    device: str | torch.device = "cpu",
    checkpoint: str = "latest",
    *,
    untrained_seed: int | None = None,
) -> Codec2VecEncoder | EncodecMAEEncoder:
    """Load the model of an experiment directory, or an untrained one of the same shape.

    Args:
        exp_dir: Folder with ``config.yaml`` and checkpoints.
        device: Where to compute.
        checkpoint: ``latest``, ``best`` or an epoch number.
        untrained_seed: Take no trained weights: a fresh model with this seed, its frontend
            initialised as the config says (from the codec's codebooks, as a rule). It is the
            yardstick for what training adds.

    Raises:
        CheckpointError: If the weights are missing or belong to another model, or the config
            does not tell what codes they were trained on.
        ConfigError: If the config is wrong.
    """
    name, config = Path(exp_dir).name, read_config(exp_dir)
    if is_encodecmae(config):
        return load_encodecmae(exp_dir, device, checkpoint, untrained_seed=untrained_seed)
    if untrained_seed is not None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(untrained_seed)
            model = build_codec2vec(config)
        return Codec2VecEncoder(model, config, f"untrained {name}", _codes(config, exp_dir), device)
    config, state = load_weights(exp_dir, checkpoint, prefix=_PREFIX)
    model = build_codec2vec(config, read_codebook=False)
    load_state_strict(model, state, str(exp_dir))
    return Codec2VecEncoder(model, config, name, _codes(config, exp_dir), device)


def config_name(exp_dir: str | Path) -> str | None:
    """File name of the training config that an experiment was started with."""
    given = read_config(exp_dir).get("config")
    return None if given is None else Path(given).name


def _codes(config: Mapping[str, Any], exp_dir: str | Path) -> Mapping[str, Any]:
    """What the training wrote into the config about its codes."""
    try:
        return config["data_record"]["train"]["codes"]
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            f"{exp_dir}/config.yaml: expected data_record.train.codes, which the training writes, "
            f"found none ({error})",
            stage="pretrain",
        ) from error


def _digest(model: Codec2Vec, config: Mapping[str, Any]) -> str:
    """sha256 of all that features depend on: frontend and Transformer, options and weights.

    The path of the codebook file is left out: its content is in the weights.
    """
    frontend = {k: v for k, v in (config.get("frontend_conf") or {}).items() if k != "codebook"}
    options = json.dumps([frontend, config.get("encoder_conf")], sort_keys=True)
    digest = hashlib.sha256(options.encode())
    for part in (model.frontend, model.encoder):
        digest_state(digest, part.state_dict())
    return digest.hexdigest()
