"""A token store through a codec's decoder: WAVs, and a data dir that points to them.

Every WAV is written whole or not at all, and one that is there is kept: jobs share the utterances,
and a killed one goes on where it was. T frames, Q codebooks.
"""

import io
import json
import math
from pathlib import Path
from urllib.parse import quote

import numpy as np
import soundfile
import torch

from codec_ssl.codecs.base import Codec
from codec_ssl.codecs.progress import Progress
from codec_ssl.data.audio import BadAudio, audio_info
from codec_ssl.data.data_dir import DataDir, only
from codec_ssl.data.tables import write_atomic
from codec_ssl.errors import CodecError, DataError, TokenError
from codec_ssl.tokens.files import write_file
from codec_ssl.tokens.store import TokenStore

PLAN_NAME = "decoded.json"
_SUBTYPE = "PCM_16"


class Synthesis:
    """What is to be decoded, and where to.

    A codec cannot tell how full the last frame was, so a waveform ends with the utterance only
    if the data dir that the codes were made from is given; otherwise it fills its last frame. An
    utterance is decoded at once: memory grows with the longest one.

    Args:
        codec: The codec that made the codes.
        store: The codes.
        out_dir: Folder of the new data dir; WAVs (16 bit, the codec's rate) go to ``wav`` in it.
        num_codebooks: Codebooks to decode, the first ones; None takes those of the store.
        reference: Data dir of the store: lengths, speakers, texts, labels and phones.

    Raises:
        TokenError: If another codec made the codes, or they have fewer codebooks.
        DataError: If an utterance is not in the data dir, or the folder holds waveforms that
            something else was decoded to.
    """

    def __init__(
        self,
        codec: Codec,
        store: TokenStore,
        out_dir: str | Path,
        *,
        num_codebooks: int | None = None,
        reference: DataDir | None = None,
    ) -> None:
        self._codec = codec
        self._store = store
        self._out_dir = Path(out_dir)
        self._reference = reference
        self._num_codebooks = self._checked(num_codebooks)
        self._begin()

    def decode(self, job: int = 1, num_jobs: int = 1) -> None:
        """Write the WAVs of one job that are still missing.

        Args:
            job: Number of this job, from 1.
            num_jobs: Jobs that share the work.

        Raises:
            CodecError: If the codec fails; names the utterance.
            TokenError: If there is no such job.
        """
        if not 1 <= job <= num_jobs:
            raise TokenError(f"expected a job from 1 to {num_jobs}, found {job}")
        mine = self._store.utt_ids[job - 1 :: num_jobs]
        pending = [utt_id for utt_id in mine if not self._path(utt_id).is_file()]
        rate = self._codec.sample_rate
        with Progress(len(pending), f"{self._out_dir.name} job {job}/{num_jobs}") as progress:
            for utt_id in pending:
                wav = self.waveform(utt_id)
                content = io.BytesIO()
                soundfile.write(content, wav, rate, _SUBTYPE, format="WAV")
                write_file(self._path(utt_id), content.getvalue())
                progress.add(1, len(wav) / rate)

    def waveform(self, utt_id: str) -> np.ndarray:
        """Decode one utterance: ``(N,)`` float32.

        Raises:
            CodecError: If the codec fails, or decodes to what is no audio.
        """
        codes = torch.from_numpy(self._store[utt_id][:, : self._num_codebooks])
        try:
            wav = self._codec.decode(codes[None])[0][0].float().cpu().numpy()
        except RuntimeError as error:
            raise CodecError(
                f"{self._store.path}: utterance {utt_id}: codec {self._codec.name} cannot decode "
                f"its {len(codes)} frames: {error}"
            ) from error
        if not np.isfinite(wav).all():
            raise CodecError(
                f"{self._store.path}: utterance {utt_id}: codec {self._codec.name} decodes it to "
                "NaN or infinity: look at the losses of its training",
                stage="codec",
            )
        return wav[: self._num_samples(utt_id)]

    def finish(self) -> DataDir:
        """Write the data dir.

        Raises:
            DataError: If a WAV is missing.
        """
        utt_ids = self._store.utt_ids
        missing = [utt_id for utt_id in utt_ids if not self._path(utt_id).is_file()]
        if missing:
            raise DataError(
                f"{self._out_dir}: expected {len(utt_ids)} waveforms, {len(missing)} are not "
                f"there yet, {missing[0]} among them",
                stage="decode",
            )
        wav = {utt_id: str(self._path(utt_id).absolute()) for utt_id in utt_ids}
        known = self._reference
        if known is None:
            return DataDir.write(self._out_dir, wav=wav, utt2spk={utt: utt for utt in utt_ids})
        names = (name for name in known.label_names if name != "spk")
        return DataDir.write(
            self._out_dir,
            wav=wav,
            utt2spk=only(known.utt2spk, wav),
            text=only(known.text, wav),
            labels={name: only(known.labels(name), wav) for name in names},
            phones=only(known.phones, wav),
        )

    def _checked(self, wanted: int | None) -> int:
        """Number of codebooks to decode, when everything fits together."""
        maker, found = self._store.meta.maker, self._store.meta.num_codebooks
        if maker["fingerprint"] != self._codec.fingerprint:
            raise TokenError(
                f"{self._store.path}: made by codec {maker['name']} ({maker['fingerprint'][:12]}), "
                f"not by {self._codec.name} ({self._codec.fingerprint[:12]}): give the codec that "
                "extracted these codes, with the same number of codebooks",
                stage="tokens",
            )
        if wanted is not None and not 1 <= wanted <= found:
            raise TokenError(
                f"{self._store.path}: expected num_codebooks of 1..{found}, found {wanted}"
            )
        if self._reference is not None:
            known = set(self._reference.utt_ids)
            unknown = [utt_id for utt_id in self._store.utt_ids if utt_id not in known]
            if unknown:
                raise DataError(
                    f"{self._reference.path}: no utterance {unknown[0]!r} of {self._store.path} "
                    f"({len(unknown)} such): give the data dir that was coded",
                    stage="data",
                )
        return wanted or found

    def _begin(self) -> None:
        """Note what is decoded here, or see that it is what was begun."""
        plan = {
            "codes": self._store.fingerprint,
            "codec": self._codec.fingerprint,
            "num_codebooks": self._num_codebooks,
            "cut_to": None if self._reference is None else str(self._reference.path.absolute()),
        }
        path = self._out_dir / PLAN_NAME
        (self._out_dir / "wav").mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            write_atomic(path, json.dumps(plan, indent=1) + "\n")
        elif (found := json.loads(path.read_text(encoding="utf-8"))) != plan:
            names = [name for name, value in plan.items() if found.get(name) != value]
            raise DataError(
                f"{self._out_dir}: holds waveforms of other {', '.join(names)} (see {PLAN_NAME}): "
                "move it away, or decode to another folder",
                stage="decode",
            )

    def _path(self, utt_id: str) -> Path:
        # An id may hold a slash.
        return self._out_dir / "wav" / f"{quote(utt_id, safe=' ')}.wav"

    def _num_samples(self, utt_id: str) -> int | None:
        """Length of the utterance at the codec's rate, as far as it can be known."""
        if self._reference is None:
            return None
        try:
            info = audio_info(self._reference.source(utt_id))
        except BadAudio:
            # It could be read when it was coded; without it the last frame stays full.
            return None
        return math.ceil(info.num_samples * self._codec.sample_rate / info.sample_rate)
