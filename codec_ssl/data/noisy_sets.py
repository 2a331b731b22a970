"""Noisy copies of a data dir on disk, written in parts by any number of jobs.

====================  ===========================================================================
``noisy_sets.json``   what is mixed with what, and how; the plan of the parts follows from it
``snr5/``             a data dir for each ratio (of a range there is one: the folder itself):
                      ``wav.scp``, ``text``, ... of the clean one, ``utt2noise``, ``utt2room``
``snr5/wav/<utt>``    its audio, FLAC at the rate of the clean file
``part-00000.jsonl``  what was mixed of the utterances of a part
``mixtures.tsv``      all of that in one table: written = ``speech_gain`` * speech (in its room) +
                      ``noise_gain`` * noise from ``start`` seconds on; ``snr`` is measured
``bad_audio.tsv``     utterances that could not be mixed
====================  ===========================================================================

What an utterance gets follows from the seed, its id and the sorted lists of noises and rooms, so
it is the same in every run and job. It gets one noise and one room for all ratios: sets differ in
the ratio alone. An utterance is read once and held whole.
"""

import hashlib
import json
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from codec_ssl.data.audio import BadAudio, BadAudioLog, read_audio
from codec_ssl.data.audio_file import bad_audio
from codec_ssl.data.data_dir import DataDir, only
from codec_ssl.data.mixing import check_snr, is_silent, mix, reverberate
from codec_ssl.data.noise_clips import NoiseClips, RoomResponses
from codec_ssl.data.parts import PartFolder
from codec_ssl.data.tables import write_atomic
from codec_ssl.data.wav_file import write_flac
from codec_ssl.errors import ConfigError

META_NAME, TABLE_NAME, BAD_NAME = "noisy_sets.json", "mixtures.tsv", "bad_audio.tsv"
PART_UTTERANCES = 100
_STAGE = "noise"
_COLUMNS = ("set", "utt_id", "snr", "noise", "start", "room", "speech_gain", "noise_gain")
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Conditions:
    """At which ratios of speech to noise, in dB: at some of them, or anywhere in a range.

    Attributes:
        snrs: Each makes a data dir ``snr<ratio>`` of all utterances.
        snr_range: Lowest and highest, which may be equal: each utterance of one data dir gets
            its own ratio between them.
        seed: Of noises, rooms, places and ratios.
        prefix: Put before utterance ids, for copies that are joined with the clean set.

    Raises:
        ConfigError: If there are not either ratios, each once, or a range.
    """

    snrs: tuple[float, ...] = ()
    snr_range: tuple[float, float] | None = None
    seed: int = 0
    prefix: str = ""

    def __post_init__(self) -> None:
        for snr in (*self.snrs, *(self.snr_range or ())):
            check_snr(snr)
        if bool(self.snrs) == (self.snr_range is not None):
            raise ConfigError(
                f"expected either ratios or a range of them, found {list(self.snrs)} and "
                f"{self.snr_range}"
            )
        if len(set(self.names)) != len(self.names):
            raise ConfigError(f"expected each ratio once, found {list(self.snrs)}")
        if self.snr_range and self.snr_range[0] > self.snr_range[1]:
            raise ConfigError(f"expected a range LOW HIGH in dB, found {self.snr_range}")
        if quote(self.prefix, safe="") != self.prefix:
            raise ConfigError(
                f"prefix: expected letters, digits, '-', '_', '.', found {self.prefix!r}"
            )

    @property
    def names(self) -> list[str]:
        """Folders of the data dirs, in the order of the ratios; that of a range is the root."""
        return ["."] if self.snr_range else [f"snr{snr:g}" for snr in self.snrs]

    def draw(self, rng: np.random.Generator) -> list[float]:
        """Ratios of an utterance, one for each name."""
        return [float(rng.uniform(*self.snr_range))] if self.snr_range else list(self.snrs)


class NoisySets(PartFolder):
    """Folder of noisy copies.

    Args:
        path: The folder; made if it isn't there.
        clean: What to copy.
        noises: What to add.
        conditions: At which ratios.
        rooms: Where to put the speech; None leaves it as it is.
        part_utterances: Utterances a part: what a killed job may have to do again.

    Raises:
        DataError: If the folder holds copies of something else.
    """

    def __init__(
        self,
        path: str | Path,
        clean: DataDir,
        noises: NoiseClips,
        conditions: Conditions,
        rooms: RoomResponses | None = None,
        part_utterances: int = PART_UTTERANCES,
    ) -> None:
        self._clean, self._noises, self._rooms = clean, noises, rooms
        self._conditions = conditions
        plan = {
            **asdict(conditions),
            "snrs": list(conditions.snrs),
            "clean": _content(clean),
            "noises": _content(noises.data_dir),
            "rooms": rooms and _content(rooms.data_dir),
        }
        super().__init__(
            path,
            clean.utt_ids,
            plan,
            part_utterances,
            name=META_NAME,
            suffix=".jsonl",
            stage=_STAGE,
        )

    def run(self, job: int = 1, num_jobs: int = 1) -> None:
        """Write the audio of the parts of a job that are missing.

        Args:
            job: Number of the job, from 1.
            num_jobs: Jobs that share the parts.

        Raises:
            DataError: A noise or a room response is silent or cannot be read.
        """
        for part in self.pending(job, num_jobs):
            begin, rows = time.perf_counter(), []
            for utt_id in self.members(part):
                try:
                    speech, rate = self._speech(utt_id)
                except BadAudio as error:
                    rows.append({"bad": (utt_id, error.path, error.reason, error.detail)})
                    _logger.warning("%s", error)
                else:
                    rows += self._mixed(utt_id, speech, rate)
            # Last: a part that is there has all of its audio.
            write_atomic(self.file(part), "".join(json.dumps(row) + "\n" for row in rows))
            rate = len(self.members(part)) / (time.perf_counter() - begin)
            _logger.info(
                "%s: part %d of %d: %.1f utterances a second",
                *(self.path, part + 1, self.num_parts, rate),
            )

    def finalize(self, max_bad_rate: float = 0.01) -> list[DataDir]:
        """Write the data dirs and the tables of what was mixed and of what could not be.

        Args:
            max_bad_rate: Share of utterances that may be unusable; they are left out.

        Raises:
            DataError: A part is missing, or more of the utterances are unusable.
        """
        lines = [line for file in self.complete() for line in file.read_text().splitlines()]
        rows = list(map(json.loads, lines))
        bad = BadAudioLog()
        for row in rows:
            if "bad" in row:
                bad.add(*row["bad"])
        bad.write(self.path / BAD_NAME)
        bad.check_rate(len(self.utt_ids), max_bad_rate)
        rows = [row for row in rows if "bad" not in row]
        table = [_COLUMNS, *([str(row[column]) for column in _COLUMNS] for row in rows)]
        write_atomic(self.path / TABLE_NAME, "".join("\t".join(row) + "\n" for row in table))
        return [self._data_dir(name, rows) for name in self._conditions.names]

    def _mixed(self, utt_id: str, speech: np.ndarray, rate: int) -> Iterator[dict[str, Any]]:
        """Mix an utterance ``(N,)`` at every ratio; yields what was done."""
        # Each choice has numbers of its own: with rooms, the noises are those of without.
        draws = _generator(self._conditions.seed, utt_id).spawn(3)
        noise = self._noises.draw(len(speech), rate, draws[0])
        room = ""
        if self._rooms is not None:
            room, response = self._rooms.draw(rate, draws[1])
            speech = reverberate(speech, response)
        snrs = self._conditions.draw(draws[2])
        for name, snr in zip(self._conditions.names, snrs, strict=True):
            mixture = mix(speech, noise.samples, snr)
            write_flac(self._file(name, utt_id), mixture.samples, rate)
            gains = {"speech_gain": mixture.speech_gain, "noise_gain": mixture.noise_gain}
            known = {"set": name, "utt_id": self._conditions.prefix + utt_id, "clean": utt_id}
            heard = {"noise": noise.clip, "start": noise.start, "room": room}
            yield {**known, "snr": mixture.snr, **heard, **gains}

    def _speech(self, utt_id: str) -> tuple[np.ndarray, int]:
        """Samples ``(N,)`` of a clean utterance, and their rate."""
        source = self._clean.source(utt_id)
        speech, rate = read_audio(source)
        if is_silent(speech):
            raise bad_audio(source, "silent", "expected speech to set a noise's level by")
        return speech, rate

    def _data_dir(self, name: str, rows: list[dict[str, Any]]) -> DataDir:
        clean, prefix = self._clean, self._conditions.prefix
        mine = {row["clean"]: row for row in rows if row["set"] == name}

        def named[V](table: Mapping[str, V]) -> dict[str, V]:
            return {prefix + utt_id: value for utt_id, value in only(table, mine).items()}

        labels = {label: clean.labels(label) for label in clean.label_names if label != "spk"}
        labels["noise"] = {utt_id: row["noise"] for utt_id, row in mine.items()}
        labels["room"] = {utt_id: row["room"] for utt_id, row in mine.items() if row["room"]}
        return DataDir.write(
            self.path / name,
            wav=named({utt_id: str(self._file(name, utt_id).absolute()) for utt_id in mine}),
            utt2spk=named(clean.utt2spk),
            text=named(clean.text),
            labels={label: named(table) for label, table in labels.items()},
            phones=named(clean.phones),
        )

    def _file(self, name: str, utt_id: str) -> Path:
        # An id may hold a slash.
        return self.path / name / "wav" / f"{quote(utt_id, safe=' ')}.flac"


def _generator(seed: int, utt_id: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed}\0{utt_id}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def _content(data_dir: DataDir) -> str:
    """Digest of which utterances there are, and where."""
    sources = (data_dir.source(utt_id) for utt_id in data_dir.utt_ids)
    lines = (f"{s.utt_id}\t{s.path}\t{s.start}\t{s.end}\n" for s in sources)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
