"""The frames that a synthesis predicts: codes of a token store, or mel spectra of a cache."""

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from codec_ssl.asr.speech import CODES, Speech, record_speech
from codec_ssl.data.tables import write_atomic
from codec_ssl.errors import DataError
from codec_ssl.features.cache import FeatureCache
from codec_ssl.features.vocoder_mel import CONF_NAME, MelConf
from codec_ssl.tokens.store import TokenStore
from codec_ssl.tts.durations import FrameGrid, codec_grid


@dataclass(frozen=True)
class Frames:
    """Frames of a set, and where they lie in time.

    Attributes:
        speech: The codes or the spectra.
        grid: Their place.
        mel: How the spectra were made; None for codes.
    """

    speech: Speech
    grid: FrameGrid
    mel: MelConf | None

    @property
    def path(self) -> Path:
        """The folder."""
        return self.speech.path

    @cached_property
    def lengths(self) -> dict[str, int]:
        """Frames of each utterance."""
        return dict(zip(self.speech.utt_ids, self.speech.lengths.tolist(), strict=True))

    def made_by(self) -> dict[str, Any]:
        """What made the frames, the same for all sets of an experiment: plain values."""
        [(kind, record)] = record_speech(self.speech).items()
        own = ("store",) if kind == CODES else ("content",)
        return {kind: {key: value for key, value in record.items() if key not in own}}


def open_frames(path: str | Path) -> Frames:
    """Open a token store, or a feature cache of a vocoder's mel spectra.

    Raises:
        DataError: The folder is a cache of other features, or its frames are no whole samples.
        TokenError: It is neither.
    """
    folder = Path(path)
    if (folder / CONF_NAME).is_file():
        mel = MelConf(**json.loads((folder / CONF_NAME).read_text(encoding="utf-8")))
        return Frames(FeatureCache(folder), FrameGrid(mel.sample_rate, mel.hop_length, 0.0), mel)
    if (folder / "shard-00000.npy").exists():
        raise DataError(
            f"{folder}: expected codes or a vocoder's mel spectra, found a cache of other features",
            stage="frames",
        )
    store = TokenStore(folder)
    try:
        return Frames(store, codec_grid(store.sample_rate, store.frame_rate), None)
    except DataError as error:
        raise DataError(f"{folder}: {error.message}") from error


def write_mel_conf(folder: str | Path, conf: MelConf) -> None:
    """Say beside a feature cache how its mel spectra were made."""
    write_atomic(Path(folder) / CONF_NAME, json.dumps(asdict(conf), indent=1) + "\n")
