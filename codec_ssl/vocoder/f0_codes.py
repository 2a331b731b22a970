"""F0 codes of a set: a trained quantizer, and the token store that it writes."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from tqdm import tqdm

from codec_ssl.errors import CheckpointError
from codec_ssl.features.base import Origin
from codec_ssl.tokens.files import canonical
from codec_ssl.tokens.store import TokenStoreWriter
from codec_ssl.train.checkpoint import digest_state, load_state_strict, load_weights
from codec_ssl.vocoder.f0 import SAMPLE_RATE, Contours, PitchStatistics
from codec_ssl.vocoder.f0_quantizer import F0Quantizer

KIND = "f0"
SHARD_UTTERANCES = 2000


@dataclass(frozen=True)
class PitchFacts:
    """What a training of a quantizer was of.

    Attributes:
        origin: How F0 was found.
        statistics: Of the training's speakers.
    """

    origin: Origin
    statistics: PitchStatistics

    def to_plain(self) -> dict[str, Any]:
        """Plain values, for YAML."""
        return {"origin": vars(self.origin), "speakers": self.statistics.to_plain()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_plain`."""
        return cls(Origin(**plain["origin"]), PitchStatistics.from_plain(plain["speakers"]))


@dataclass(frozen=True)
class TrainedQuantizer:
    """A quantizer as an experiment directory holds it.

    Attributes:
        path: The directory.
        model: In eval mode.
        facts: What it was trained on.
        device: Where it computes.
    """

    path: Path
    model: F0Quantizer
    facts: PitchFacts
    device: torch.device

    @cached_property
    def fingerprint(self) -> str:
        """Changes whenever the same audio could give other codes."""
        digest = hashlib.sha256(canonical(self.facts.to_plain()).encode())
        digest_state(digest, self.model.state_dict())
        return digest.hexdigest()

    @property
    def frame_rate(self) -> float:
        """Codes a second."""
        return self.facts.origin.frame_rate / self.model.stride

    def encode(self, contour: np.ndarray) -> np.ndarray:
        """Codes ``(T', 1)`` of an utterance's normalised contour ``(T, 2)``, looked at alone."""
        codes = self.model.encode(torch.from_numpy(contour).to(self.device))
        return codes.cpu().numpy()[:, None]


def load_f0_quantizer(
    exp: str | Path, checkpoint: str = "best", device: str | torch.device = "cpu"
) -> TrainedQuantizer:
    """Load a trained quantizer.

    Args:
        exp: The experiment directory of ``f0_quantizer_train``.
        checkpoint: ``best``, ``latest`` or an epoch number.
        device: Where to compute.

    Raises:
        CheckpointError: It is no whole training of a quantizer.
    """
    config, state = load_weights(exp, checkpoint, prefix="quantizer.")
    try:
        facts = PitchFacts.from_plain(config["data_record"]["facts"])
        model = F0Quantizer(**config["quantizer_conf"])
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            f"{exp}/config.yaml: expected an experiment of f0_quantizer_train, found {error!r}",
            stage="f0",
        ) from error
    load_state_strict(model, state, str(exp))
    return TrainedQuantizer(Path(exp), model.eval().to(device), facts, torch.device(device))


def write_f0_codes(
    quantizer: TrainedQuantizer,
    contours: str | Path,
    utt2spk: Mapping[str, str],
    out_dir: str | Path,
    *,
    job: int = 1,
    num_jobs: int = 1,
    finalize: bool = False,
    shard_utterances: int = SHARD_UTTERANCES,
) -> None:
    """Write the codes of every utterance; a killed job goes on at its first missing shard.

    Args:
        quantizer: The same for all sets.
        contours: Cache of the set, see ``bin/f0_contours.py``.
        utt2spk: Speaker of each utterance; others than the training's are normalised by
            utterance, which the log says.
        out_dir: The token store.
        job: Number of this job, from 1.
        num_jobs: Jobs that share the shards.
        finalize: Whether to close the store when this job's shards are written.
        shard_utterances: Utterances a shard.

    Raises:
        DataError: If it is no cache of F0, or an utterance has no speaker.
        CheckpointError: If F0 was found otherwise than for the training.
    """
    cache = Contours(contours, utt2spk, quantizer.facts.statistics)
    if cache.origin != quantizer.facts.origin:
        raise CheckpointError(
            f"{cache.path}: expected {quantizer.facts.origin}, of which {quantizer.path} was "
            f"trained, found {cache.origin}: make it with the same options of pitch",
            stage="f0",
        )
    if job == 1:
        cache.log_unseen()
    origin = quantizer.facts.origin
    writer = TokenStoreWriter(
        out_dir,
        utt_ids=cache.utt_ids,
        sizes=[quantizer.model.num_bins],
        frame_rate=quantizer.frame_rate,
        sample_rate=SAMPLE_RATE,
        maker={
            "kind": KIND,
            "name": KIND,
            "fingerprint": quantizer.fingerprint,
            "encoder": origin.encoder,
            "encoder_fingerprint": origin.fingerprint,
        },
        shard_utterances=shard_utterances,
    )

    def items(shard: int) -> Iterator[tuple[str, np.ndarray]]:
        for utt_id in writer.shard_utt_ids(shard):
            yield utt_id, quantizer.encode(cache[utt_id])

    for shard in tqdm(writer.pending(job, num_jobs), desc="F0 shards", disable=None):
        writer.write_shard(shard, items(shard))
    if finalize:
        writer.finalize()
