"""EnCodec of the encodec package: 24 kHz (causal, mono), 48 kHz (stereo, by segments), others.

B batch, N samples, T frames, S segments, Q codebooks, K entries, D latent width.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from encodec import EncodecModel
from torch import Tensor, nn

from codec_ssl.codecs.base import Codec, _equal
from codec_ssl.codecs.residual_vq import check_trained, rvq_codes, rvq_vectors
from codec_ssl.codecs.seanet import SEANetCodec
from codec_ssl.codecs.weights import check_codebooks_used, read_weights
from codec_ssl.errors import CodecError

_OFFICIAL_FILES = {"24khz": "encodec_24khz-d7cc33bc.th", "48khz": "encodec_48khz-7e698e3e.th"}
# Segments coded at a time: bounds memory, and is plenty for a GPU.
_SEGMENTS = 64
# The codes of a normalising codec don't hold the loudness; decode gives -20 dBFS.
_DECODED_RMS = 0.1


class SegmentedEncodec(Codec):
    """The 48 kHz EnCodec: overlapping segments of one second, each brought to unit level.

    Mono is doubled to stereo on the way in, as the library's ``convert_audio`` does, and averaged
    on the way out. The segments' codes follow one another as in the library's list of frames, so
    a segment's 150 frames advance by 0.99 s: ``frame_rate`` is 151.5, not 150. A segment is coded
    by itself, so alone, batched and chunked are the same. The level of a segment isn't in its
    codes: ``decode`` gives all segments the same.

    Args:
        model: The library's model, with its weights.
        name: See `Codec`.
        num_codebooks: The first so many; None takes all.
        precision: See `Codec`.
    """

    def __init__(
        self,
        model: EncodecModel,
        name: str,
        *,
        num_codebooks: int | None = None,
        precision: str = "fp32",
    ) -> None:
        used = check_codebooks_used(name, num_codebooks, model.quantizer.n_q)
        super().__init__(
            name,
            sample_rate=model.sample_rate,
            hop_length=int(model.encoder.hop_length),
            num_codebooks=used,
            codebook_size=model.quantizer.bins,
            latent_dim=model.quantizer.dimension,
            config={"kind": "encodec", "segment": model.segment, "overlap": model.overlap},
            precision=precision,
        )
        self.model = model
        self.freeze()

    @property
    def frame_rate(self) -> float:
        """Frames a second of audio, overlaps counted."""
        per_segment = -(-self.model.segment_length // self.hop_length)
        return per_segment * self.sample_rate / self.model.segment_stride

    def num_frames(self, num_samples: int) -> int:
        """Frames of all segments together."""
        return sum(-(-n // self.hop_length) for n in self._segment_lengths(num_samples))

    def codebook_vectors(self) -> Tensor:
        """Return the codebooks ``(Q, K, D)``."""
        with self._numerics():
            return rvq_vectors(self.model.quantizer, self.num_codebooks)

    def _segment_lengths(self, num_samples: int) -> list[int]:
        starts = range(0, num_samples, self.model.segment_stride)
        return [min(self.model.segment_length, num_samples - start) for start in starts]

    def _encode(self, wav: Tensor, lens: list[int]) -> Tensor:
        segments, owners = [], []
        for row, (samples, length) in enumerate(zip(wav, lens, strict=True)):
            for index, size in enumerate(self._segment_lengths(length)):
                start = index * self.model.segment_stride
                segments.append(samples[start : start + size])
                owners.append(row)
        latents = self._encode_segments(segments)
        rows = [
            torch.cat([z for z, owner in zip(latents, owners, strict=True) if owner == row])
            for row in range(len(lens))
        ]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True)

    def _encode_segments(self, segments: Sequence[Tensor]) -> list[Tensor]:
        """Latents ``(t, D)`` of mono segments ``(n,)``; equal lengths run together."""
        latents: dict[int, Tensor] = {}
        for members in _equal([len(segment) for segment in segments]).values():
            for first in range(0, len(members), _SEGMENTS):
                part = members[first : first + _SEGMENTS]
                batch = torch.stack([segments[i] for i in part])[:, None]
                if self.model.normalize:
                    batch = batch / (1e-8 + batch.pow(2).mean(dim=2, keepdim=True).sqrt())
                stereo = batch.expand(-1, self.model.channels, -1)
                latents.update(zip(part, self.model.encoder(stereo).transpose(1, 2), strict=True))
        return [latents[i] for i in range(len(segments))]

    def _quantize(self, latent: Tensor) -> Tensor:
        return rvq_codes(self.model.quantizer, latent, self.num_codebooks)

    def _decode(self, codes: Tensor) -> Tensor:
        per_segment = -(-self.model.segment_length // self.hop_length)
        level = torch.full((codes.size(0), 1), _DECODED_RMS, device=codes.device)
        frames = [
            (part.transpose(1, 2), level if self.model.normalize else None)
            for part in codes.split(per_segment, dim=1)
        ]
        return self.model.decode(frames).mean(dim=1)[:, : self._num_samples(codes.size(1))]

    def _num_samples(self, num_frames: int) -> int:
        per_segment = -(-self.model.segment_length // self.hop_length)
        segments = max(1, math.ceil(num_frames / per_segment))
        last = (num_frames - (segments - 1) * per_segment) * self.hop_length
        return (segments - 1) * self.model.segment_stride + last

    def _latent_stream(self, blocks: Iterator[Tensor], chunk: int) -> Iterator[Tensor]:
        length, stride = self.model.segment_length, self.model.segment_stride
        per_run = max(1, chunk // stride)
        buffer = None
        for block in blocks:
            buffer = block[0, 0] if buffer is None else torch.cat([buffer, block[0, 0]])
            whole = 0 if len(buffer) < length else (len(buffer) - length) // stride + 1
            for first in range(0, whole - whole % per_run, per_run):
                starts = [(first + i) * stride for i in range(per_run)]
                yield self._joined([buffer[s : s + length] for s in starts])
            buffer = buffer[(whole - whole % per_run) * stride :].clone()
        if buffer is not None and len(buffer):
            sizes = self._segment_lengths(len(buffer))
            starts = range(0, len(buffer), stride)
            yield self._joined([buffer[s : s + n] for s, n in zip(starts, sizes, strict=True)])

    def _joined(self, segments: Sequence[Tensor]) -> Tensor:
        return torch.cat(self._encode_segments(segments)).t()[None]


def load_encodec(
    name: str = "encodec",
    *,
    checkpoint: str | None = None,
    model_type: str = "24khz",
    sample_rate: int | None = None,
    target_bandwidths: Sequence[float] | None = None,
    causal: bool = True,
    num_codebooks: int | None = None,
    precision: str = "fp32",
) -> Codec:
    """Load an EnCodec from a ``.th`` state dict, or by the library's own download.

    Args:
        name: Name of the codec.
        checkpoint: State dict of an ``EncodecModel``; None downloads the official weights into
            torch's hub folder, or finds them there.
        model_type: ``24khz``, ``48khz``, or ``custom`` for a mono model of other training.
        sample_rate: Rate in Hz of a custom model.
        target_bandwidths: kbps of a custom model; the largest decides how many codebooks it has.
        causal: Whether a custom model's convolutions are causal.
        num_codebooks: The first so many (8 of the 24 kHz model are 6 kbps); None takes all.
        precision: See `Codec`.

    Raises:
        CodecError: If the weights are missing, damaged, of another model, or never trained.
    """
    model = _architecture(name, model_type, sample_rate, target_bandwidths, causal)
    path = _weights_path(model_type, checkpoint)
    how = "let the encodec library download it, or name a local file with `checkpoint:`"
    saved = read_weights(path, how=how)
    try:
        model.load_state_dict(saved, strict=True)
    except RuntimeError as error:
        raise CodecError(f"{path}: not the weights of EnCodec {model_type}: {error}") from error
    used = check_codebooks_used(name, num_codebooks, model.quantizer.n_q)
    check_trained(model.quantizer, used, str(path))
    if model.segment is not None:
        return SegmentedEncodec(model, name, num_codebooks=used, precision=precision)
    return wrap_encodec(model, name, num_codebooks=used, precision=precision)


def wrap_encodec(
    model: EncodecModel, name: str, *, num_codebooks: int | None = None, precision: str = "fp32"
) -> SEANetCodec:
    """Put an EnCodec without segments behind the contract of `Codec`."""
    return SEANetCodec(
        name,
        model,
        sample_rate=model.sample_rate,
        hop_length=int(model.encoder.hop_length),
        num_codebooks=check_codebooks_used(name, num_codebooks, model.quantizer.n_q),
        codebook_size=model.quantizer.bins,
        latent_dim=model.quantizer.dimension,
        config={"kind": "encodec"},
        precision=precision,
    )


def _architecture(
    name: str,
    model_type: str,
    sample_rate: int | None,
    target_bandwidths: Sequence[float] | None,
    causal: bool,
) -> EncodecModel:
    if model_type == "24khz":
        return EncodecModel.encodec_model_24khz(pretrained=False)
    if model_type == "48khz":
        return EncodecModel.encodec_model_48khz(pretrained=False)
    if model_type == "custom" and sample_rate and target_bandwidths:
        return EncodecModel._get_model(
            list(target_bandwidths), sample_rate, channels=1, causal=causal, name=name
        )
    raise CodecError(
        f"codec {name}: model_type is 24khz, 48khz, or custom with sample_rate and "
        f"target_bandwidths; found {model_type!r}"
    )


def _weights_path(model_type: str, checkpoint: str | None) -> Path:
    if checkpoint is not None:
        return Path(checkpoint)
    if model_type not in _OFFICIAL_FILES:
        raise CodecError(f"EnCodec {model_type}: no official weights; set `checkpoint:`")
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    path = folder / _OFFICIAL_FILES[model_type]
    if not path.is_file():
        _download(model_type, folder)
    return path


def _download(model_type: str, folder: Path) -> None:
    loader = {
        "24khz": EncodecModel.encodec_model_24khz,
        "48khz": EncodecModel.encodec_model_48khz,
    }[model_type]
    try:
        loader(pretrained=True)
    except (OSError, RuntimeError) as error:
        raise CodecError(
            f"no weights of EnCodec {model_type} in {folder}, and the download failed ({error}). "
            f"Copy {_OFFICIAL_FILES[model_type]} there from a machine with network, or name it "
            "with `checkpoint:` in the YAML"
        ) from error
