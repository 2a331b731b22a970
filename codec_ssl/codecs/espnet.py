"""Codecs trained by ESPnet's codec task, from their experiment directory.

SoundStream, Encodec and DAC of ESPnet have the same generator: SEANet encoder, residual vector
quantizer, SEANet decoder. It is built from ESPnet's shared modules, without the discriminators
and without ESPnet's task, whose import alone takes longer than coding a small corpus. Our own
spectral codec is trained by the same task and read here, too.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from espnet2.gan_codec.shared.decoder.seanet import SEANetDecoder
from espnet2.gan_codec.shared.encoder.seanet import SEANetEncoder
from espnet2.gan_codec.shared.quantizer.residual_vq import ResidualVectorQuantizer
from torch import Tensor, nn

from codec_ssl.codecs.base import Codec
from codec_ssl.codecs.residual_vq import check_trained
from codec_ssl.codecs.seanet import SEANetCodec
from codec_ssl.codecs.spectral import SpectralCodec, SpectralGenerator
from codec_ssl.codecs.weights import check_codebooks_used, read_weights
from codec_ssl.errors import CodecError

SPECTRAL = "spectral"
SUPPORTED = ("soundstream", "encodec", "dac", SPECTRAL)
_BANDWIDTHS = "quantizer_target_bandwidth"
# What the constructors of ESPnet's generators take where the configuration is silent.
_DEFAULTS: dict[str, Any] = {
    "hidden_dim": 128,
    # ESPnet's constructors of SoundStream and EnCodec fix it, those of DAC and ours take it.
    "codebook_dim": 512,
    "encdec_channels": 1,
    "encdec_n_filters": 32,
    "encdec_n_residual_layers": 1,
    "encdec_ratios": [8, 5, 4, 2],
    "encdec_activation": "ELU",
    "encdec_activation_params": {"alpha": 1.0},
    "encdec_norm": "weight_norm",
    "encdec_norm_params": {},
    "encdec_kernel_size": 7,
    "encdec_residual_kernel_size": 7,
    "encdec_last_kernel_size": 7,
    "encdec_dilation_base": 2,
    "encdec_causal": False,
    "encdec_pad_mode": "reflect",
    "encdec_true_skip": False,
    "encdec_compress": 2,
    "encdec_lstm": 2,
    "decoder_trim_right_ratio": 1.0,
    "decoder_final_activation": None,
    "decoder_final_activation_params": None,
    "quantizer_n_q": 8,
    "quantizer_bins": 1024,
    _BANDWIDTHS: [7.5, 15],
}
_DAC_DEFAULTS = {"codebook_dim": 8, "encdec_activation": "Snake", "encdec_activation_params": {}}
# Statistics over the whole file would make a frame's code depend on all the others.
_LOCAL_NORMS = ("none", "weight_norm", "spectral_norm")
_GENERATOR = "codec.generator."


class Generator(nn.Module):
    """The part of an ESPnet codec that codes: encoder, quantizer, decoder.

    Args:
        kind: ``soundstream``, ``encodec`` or ``dac``.
        params: ``generator_params`` of the training configuration.
    """

    def __init__(self, kind: str, params: Mapping[str, Any]) -> None:
        super().__init__()
        conf = {**_DEFAULTS, **(_DAC_DEFAULTS if kind == "dac" else {}), **params}
        self.conf = conf
        shared = {
            name.removeprefix("encdec_"): value
            for name, value in conf.items()
            if name.startswith("encdec_")
        }
        shared["dimension"] = conf["hidden_dim"]
        final = {
            name.removeprefix("decoder_"): value
            for name, value in conf.items()
            if name.startswith("decoder_")
        }
        self.encoder = SEANetEncoder(**shared)
        self.quantizer = ResidualVectorQuantizer(
            dimension=conf["hidden_dim"],
            n_q=conf["quantizer_n_q"],
            bins=conf["quantizer_bins"],
            codebook_dim=conf["codebook_dim"],
        )
        self.decoder = SEANetDecoder(**shared, **final)

    @property
    def hop_length(self) -> int:
        """Samples a frame."""
        return math.prod(self.conf["encdec_ratios"])


def load_espnet(
    name: str | None = None,
    *,
    exp_dir: str | None = None,
    weights: str | None = None,
    repo_id: str | None = None,
    num_codebooks: int | None = None,
    precision: str = "fp32",
) -> Codec:
    """Load a codec from the directory of an ESPnet codec experiment.

    Args:
        name: Name of the codec; None takes the directory's.
        exp_dir: Directory with ``config.yaml`` and ``*.pth``.
        weights: File in it; None takes the best by the experiment's own first criterion, else the
            latest.
        repo_id: Where ``exp_dir`` is None: a published model on the model hub, downloaded into
            its cache or found there.
        num_codebooks: The first so many; None takes those that training used.
        precision: See `Codec`.

    Raises:
        CodecError: If files are missing or damaged, the codec is of a kind that cannot be coded
            by chunks, or its keys are not those of its configuration.
    """
    folder = Path(exp_dir) if exp_dir is not None else _published(repo_id)
    config = _read_config(folder)
    kind, conf = config.get("codec"), config.get("codec_conf") or {}
    params = conf.get("generator_params") or {}
    _check_supported(folder, kind, params)
    model = SpectralGenerator(params) if kind == SPECTRAL else Generator(kind, params)
    path = _weights_file(folder, weights, config)
    saved = read_weights(path, how="train the codec, or name a file with `weights:`")
    _load_strictly(model, saved, path)
    rate = int(conf.get("sampling_rate", 24000))
    if num_codebooks is None:
        num_codebooks = _trained_codebooks(model, rate)
    used = check_codebooks_used(str(folder), num_codebooks, model.quantizer.n_q)
    check_trained(model.quantizer, used, str(path))
    behind_contract = SpectralCodec if kind == SPECTRAL else SEANetCodec
    return behind_contract(
        name or folder.resolve().name,
        model,
        sample_rate=rate,
        hop_length=model.hop_length,
        num_codebooks=used,
        codebook_size=model.quantizer.bins,
        latent_dim=model.conf["hidden_dim"],
        config={"kind": "espnet", "codec": kind, "generator_params": model.conf},
        precision=precision,
    )


def _trained_codebooks(model: Generator | SpectralGenerator, sample_rate: int) -> int:
    """Codebooks that the largest bandwidth of the training used, as ESPnet counts them."""
    bandwidths = model.conf.get("quantizer_target_bandwidth", _DEFAULTS[_BANDWIDTHS])
    frame_rate = math.ceil(sample_rate / model.hop_length)
    wanted = model.quantizer.get_num_quantizers_for_bandwidth(frame_rate, max(bandwidths))
    return min(model.quantizer.n_q, wanted)


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.yaml"
    if not path.is_file():
        raise CodecError(
            f"no codec experiment at {folder}: expected config.yaml and *.pth there", stage="codec"
        )
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def _check_supported(folder: Path, kind: str | None, params: Mapping[str, Any]) -> None:
    if kind not in SUPPORTED:
        raise CodecError(f"{folder}: codec {kind!r} is not supported; these are: {SUPPORTED}")
    if params.get("encdec_channels", 1) != 1:
        raise CodecError(f"{folder}: expected a mono codec, found encdec_channels != 1")
    norm = params.get("encdec_norm", "weight_norm")
    if norm not in _LOCAL_NORMS:
        raise CodecError(
            f"{folder}: encdec_norm {norm!r} normalises over the whole file, so codes would depend "
            f"on chunks and batches; supported: {_LOCAL_NORMS}"
        )


def _weights_file(folder: Path, weights: str | None, config: Mapping[str, Any]) -> Path:
    if weights is not None:
        return folder / weights
    criteria = config.get("best_model_criterion") or []
    names = [f"{phase}.{key}.best.pth" for phase, key, *_ in criteria]
    for name in [*names, "latest.pth"]:
        if (folder / name).is_file():
            return folder / name
    raise CodecError(
        f"no weights in {folder}: looked for {', '.join([*names, 'latest.pth'])}", stage="codec"
    )


def _load_strictly(model: Generator, saved: Mapping[str, Tensor], path: Path) -> None:
    ours = {
        key.removeprefix(_GENERATOR): value
        for key, value in saved.items()
        if key.startswith(_GENERATOR)
    }
    if not ours:
        raise CodecError(
            f"{path}: expected keys {_GENERATOR}*, found {sorted(map(str, saved))[:5]}"
        )
    try:
        model.load_state_dict(ours, strict=True)
    except RuntimeError as error:
        raise CodecError(f"{path}: not the weights of its config.yaml: {error}") from error


def _published(repo_id: str | None) -> Path:
    if repo_id is None:
        raise CodecError("an ESPnet codec needs exp_dir (or repo_id of a published model)")
    from huggingface_hub import snapshot_download

    try:
        root = Path(snapshot_download(repo_id))
    except (OSError, ValueError) as error:
        raise CodecError(
            f"model {repo_id} is not in the hub's cache, and the download failed ({error}). Run "
            f"`hf download {repo_id}` on a machine with network, copy the folder, and give its "
            "experiment directory (config.yaml beside *.pth) as the codec"
        ) from error
    configs = sorted(root.rglob("config.yaml"))
    if len(configs) != 1:
        raise CodecError(f"{root}: expected one config.yaml, found {len(configs)}")
    return configs[0].parent
