"""DAC of descript-audio-codec, at 16, 24 and 44.1 kHz.

Convolutions only, zero-padded: alone, batched and chunked are the same computation (see
`ragged`, `streaming`). B batch, N samples, T frames, Q codebooks, K entries, D latent width.
"""

import inspect
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from codec_ssl.codecs.base import Codec
from codec_ssl.codecs.ragged import ends_as_alone, margin
from codec_ssl.codecs.receptive_field import context, plain_convs
from codec_ssl.codecs.streaming import conv_stage, padded_to_multiple
from codec_ssl.codecs.weights import check_codebooks_used, read_weights
from codec_ssl.errors import CodecError


class DACCodec(Codec):
    """A ``dac.DAC`` behind the contract of `Codec`.

    Codes equal those of ``model.encode(model.preprocess(wav, rate))``: no loudness normalisation,
    which ``model.compress`` adds. Of 1024-entry codebooks that live in 8 dimensions, the vectors
    here are the out-projections, bias included, so that they add up to the library's ``z``.

    Args:
        model: The library's model, with its weights.
        name: See `Codec`.
        num_codebooks: The first so many; None takes all.
        precision: See `Codec`.
    """

    def __init__(
        self,
        model: nn.Module,
        name: str = "dac",
        *,
        num_codebooks: int | None = None,
        precision: str = "fp32",
    ) -> None:
        used = check_codebooks_used(name, num_codebooks, model.n_codebooks)
        super().__init__(
            name,
            sample_rate=model.sample_rate,
            hop_length=int(model.hop_length),
            num_codebooks=used,
            codebook_size=model.codebook_size,
            latent_dim=model.latent_dim,
            config={"kind": "dac", "encoder_rates": [int(r) for r in model.encoder_rates]},
            precision=precision,
        )
        self.model = model
        self._convs = plain_convs(model.encoder.modules())
        self.freeze()

    def codebook_vectors(self) -> Tensor:
        """Out-project every codebook entry: ``(Q, K, D)``."""
        with self._numerics():
            layers = self.model.quantizer.quantizers[: self.num_codebooks]
            return torch.stack([q.out_proj(q.codebook.weight.t()[None])[0].t() for q in layers])

    def _encode(self, wav: Tensor, lens: list[int]) -> Tensor:
        frames = [self.num_frames(n) for n in lens]
        longest = max(frames)
        alike = len(set(frames)) == 1
        steps = (longest + (0 if alike else margin(self._convs))) * self.hop_length
        padded = wav.new_zeros(len(lens), 1, steps)
        for row, samples, length in zip(padded, wav, lens, strict=True):
            row[0, :length] = samples[:length]
        if alike:
            return self.model.encoder(padded).transpose(1, 2)
        ends = torch.tensor(frames, device=wav.device) * self.hop_length
        with ends_as_alone(self._convs, ends):
            return self.model.encoder(padded)[..., :longest].transpose(1, 2)

    def _quantize(self, latent: Tensor) -> Tensor:
        codes = self.model.quantizer(latent.transpose(1, 2), self.num_codebooks)[1]
        return codes.transpose(1, 2)

    def _decode(self, codes: Tensor) -> Tensor:
        latent = self.model.quantizer.from_codes(codes.transpose(1, 2))[0]
        return self.model.decode(latent)[:, 0, : self._num_samples(codes.size(1))]

    def _latent_stream(self, blocks: Iterator[Tensor], chunk: int) -> Iterator[Tensor]:
        return conv_stage(
            padded_to_multiple(blocks, self.hop_length),
            self.model.encoder,
            stride=self.hop_length,
            context=context(self._convs),
            chunk=chunk,
        )


def load_dac(
    name: str = "dac",
    *,
    checkpoint: str | None = None,
    model_type: str = "16khz",
    model_bitrate: str = "8kbps",
    num_codebooks: int | None = None,
    precision: str = "fp32",
) -> DACCodec:
    """Load a DAC from a local checkpoint, or by the library's own download.

    Args:
        name: Name of the codec.
        checkpoint: ``weights.pth`` as ``DAC.save(path, package=False)`` writes it, or the folder
            that ``save_to_folder`` made; None takes the library's cache, filled by its download.
        model_type: ``16khz``, ``24khz`` or ``44khz``: which official model to download.
        model_bitrate: The library's label of the official model.
        num_codebooks: The first so many; None takes all.
        precision: See `Codec`.

    Raises:
        CodecError: If the weights are missing, damaged, or a ``torch.package`` archive.
    """
    path = _downloaded(model_type, model_bitrate) if checkpoint is None else Path(checkpoint)
    if path.is_dir():
        path = path / "dac" / "weights.pth" if (path / "dac").is_dir() else path / "weights.pth"
    _refuse_package(path)
    saved = read_weights(path, how=f"python -m dac download --model_type {model_type}")
    return DACCodec(
        _build(saved, path), name=name, num_codebooks=num_codebooks, precision=precision
    )


def _build(saved: dict[str, Any], path: Path) -> nn.Module:
    import dac

    if "metadata" not in saved or "state_dict" not in saved:
        raise CodecError(
            f"{path}: expected the keys metadata and state_dict of DAC.save(path, package=False), "
            f"found {sorted(map(str, saved))[:5]}"
        )
    known = inspect.signature(dac.DAC).parameters
    model = dac.DAC(**{k: v for k, v in saved["metadata"]["kwargs"].items() if k in known})
    try:
        model.load_state_dict(saved["state_dict"], strict=True)
    except RuntimeError as error:
        raise CodecError(f"{path}: not the weights of the DAC it describes: {error}") from error
    return model


def _refuse_package(path: Path) -> None:
    if path.is_file() and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(".data/extern_modules" in entry for entry in archive.namelist()):
                raise CodecError(
                    f"{path} is a torch.package archive, which runs its own code when opened: "
                    "refused. Save the weights alone: DAC.load(path).save(out, package=False)"
                )


def _downloaded(model_type: str, model_bitrate: str) -> Path:
    import dac.utils

    try:
        return Path(dac.utils.download(model_type=model_type, model_bitrate=model_bitrate))
    except (OSError, ValueError, AssertionError) as error:
        cache = Path.home() / ".cache" / "descript" / "dac"
        raise CodecError(
            f"no weights of DAC {model_type} {model_bitrate} in {cache}, and the download failed "
            f"({error}). Run `python -m dac download --model_type {model_type}` on a machine with "
            "network, copy the file into that folder, or name it with `checkpoint:` in the YAML"
        ) from error
