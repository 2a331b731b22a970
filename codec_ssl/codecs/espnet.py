"""Codecs trained by ESPnet's codec task, from their experiment directory.

ESPnet's own codecs, and ours that the same task trains: the spectral codec and Codec-ASR's. They
are built without the discriminators and without ESPnet's task, see `generators`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor, nn

from codec_ssl.codecs.base import Codec
from codec_ssl.codecs.generators import (
    MEL,
    SPECTRAL,
    SUPPORTED,
    build_generator,
    trained_codebooks,
)
from codec_ssl.codecs.quantizers import check_trained, shape_of
from codec_ssl.codecs.seanet import SEANetCodec
from codec_ssl.codecs.spectral import SpectralCodec
from codec_ssl.codecs.weights import check_codebooks_used, read_weights
from codec_ssl.errors import CodecError

# Statistics over the whole file would make a frame's code depend on all the others.
_LOCAL_NORMS = ("none", "weight_norm", "spectral_norm")
_GENERATOR = "codec.generator."


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
    rate = int(conf.get("sampling_rate", 24000))
    model = build_generator(kind, params, rate)
    path = _weights_file(folder, weights, config)
    saved = read_weights(path, how="train the codec, or name a file with `weights:`")
    _load_strictly(model, saved, path)
    available, codebook_size = shape_of(model.quantizer)
    if num_codebooks is None:
        num_codebooks = trained_codebooks(model, kind, rate)
    used = check_codebooks_used(str(folder), num_codebooks, available)
    check_trained(model.quantizer, used, str(path))
    behind_contract = SpectralCodec if kind in (SPECTRAL, MEL) else SEANetCodec
    return behind_contract(
        name or folder.resolve().name,
        model,
        sample_rate=rate,
        hop_length=model.hop_length,
        num_codebooks=used,
        codebook_size=codebook_size,
        latent_dim=model.conf["hidden_dim"],
        config={"kind": "espnet", "codec": kind, "generator_params": model.conf},
        precision=precision,
    )


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


def _load_strictly(model: nn.Module, saved: Mapping[str, Tensor], path: Path) -> None:
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
