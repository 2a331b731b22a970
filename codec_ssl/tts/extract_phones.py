"""Phones, frames, pitch and energy of a data dir, in one pass over the audio, by several jobs."""

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np

from codec_ssl.codecs.progress import Progress
from codec_ssl.data.audio import BadAudio, BadAudioLog, read_audio
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.parts import PartFolder
from codec_ssl.errors import DataError
from codec_ssl.tokens.files import canonical, remove_temporaries, text_digest
from codec_ssl.tts.durations import phone_frames, phone_means
from codec_ssl.tts.frames import Frames
from codec_ssl.tts.phone_store import FILE_NAME, STAGE, PhoneRow, PhoneStore, write_phones
from codec_ssl.tts.prosody import PitchOptions, continuous_log, energy, fundamental

PART_UTTERANCES = 500
MAX_BAD_RATE = 0.01
PLAN_NAME, UNUSABLE_NAME = "plan.json", "unusable.tsv"

_logger = logging.getLogger(__name__)


class PhoneExtractor(PartFolder):
    """Writes the phone store of a data dir.

    Args:
        data_dir: Audio, ``phones.ctm``, ``utt2spk``, and ``utt2lang`` where it is there.
        frames: Codes or spectra of these utterances; others of the data dir are left out.
        out: Folder of the store.
        options: How pitch is found.
        part_utterances: Utterances a part.
        max_bad_rate: Largest share of utterances without an alignment or with unusable audio.

    Raises:
        DataError: The data dir has no alignments, or the folder holds phones of something else.
    """

    def __init__(
        self,
        data_dir: DataDir,
        frames: Frames,
        out: str | Path,
        options: PitchOptions | None = None,
        *,
        part_utterances: int = PART_UTTERANCES,
        max_bad_rate: float = MAX_BAD_RATE,
    ) -> None:
        self.data_dir = data_dir
        self.frames = frames
        self.options = options or PitchOptions()
        self.max_bad_rate = max_bad_rate
        if not data_dir.phones:
            raise DataError(
                f"{data_dir.path}: expected alignments in phones.ctm, found none: "
                "prepare_data phones takes TextGrids, prepare_data align makes rough ones",
                stage="data",
            )
        utt_ids = [utt_id for utt_id in data_dir.utt_ids if utt_id in frames.lengths]
        if not utt_ids:
            raise DataError(f"{frames.path}: has no utterance of {data_dir.path}", stage="tokens")
        has_languages = "lang" in data_dir.label_names
        self._languages = data_dir.labels("lang") if has_languages else {}
        alignment = [(u, [list(s) for s in data_dir.phones.get(u, [])]) for u in utt_ids]
        self.plan = {
            "grid": asdict(frames.grid),
            "frames": frames.made_by(),
            "pitch": asdict(self.options),
            "alignment": text_digest(canonical(alignment)),
        }
        super().__init__(
            out,
            utt_ids,
            self.plan,
            part_utterances,
            name=PLAN_NAME,
            suffix=".safetensors",
            stage=STAGE,
        )

    def run(self, job: int = 1, num_jobs: int = 1) -> None:
        """Write the parts of a job that are missing.

        Raises:
            ConfigError: There is no such job.
            DataError: Too many utterances are unusable.
        """
        pending = self.pending(job, num_jobs)
        total = sum(len(self.members(part)) for part in pending)
        bad = BadAudioLog()
        with ThreadPoolExecutor(2) as pool, Progress(total, f"phones job {job}") as progress:
            for part in pending:
                self._write_part(part, pool, progress, bad)
                bad.check_rate(len(self.utt_ids), self.max_bad_rate)

    def finalize(self) -> PhoneStore:
        """Put the parts together.

        Raises:
            DataError: A part is missing, too many utterances are unusable, or none is left.
        """
        files = self.complete()
        parts = [PhoneStore(file) for file in files]
        skipped = {utt: why for part in parts for utt, why in part.skipped.items()}
        bad = BadAudioLog()
        for utt_id, why in skipped.items():
            bad.add(utt_id, *why)
        bad.write(self.path / UNUSABLE_NAME)
        bad.check_rate(len(self.utt_ids), self.max_bad_rate)
        rows = {utt_id: row for part in parts for utt_id, row in part.items()}
        if not rows:
            raise DataError(f"{self.path}: expected phones, found no usable utterance", STAGE)
        write_phones(self.path / FILE_NAME, rows, self.plan, skipped)
        for file in files:
            file.unlink()
        remove_temporaries(self.path)
        store = PhoneStore(self.path)
        _describe(store)
        return store

    def is_finished(self) -> bool:
        """Whether the store is there."""
        return (self.path / FILE_NAME).exists()

    def _write_part(
        self, part: int, pool: ThreadPoolExecutor, progress: Progress, bad: BadAudioLog
    ) -> None:
        rows: dict[str, PhoneRow] = {}
        mine = BadAudioLog()
        utt_ids = self.members(part)
        for utt_id, found in zip(utt_ids, pool.map(self._row, utt_ids), strict=True):
            if isinstance(found, PhoneRow):
                rows[utt_id] = found
                progress.add(1, len(found.f0) / self.frames.grid.frame_rate)
            else:
                mine.add(utt_id, *found)
                progress.add(1, 0.0, num_bad=1)
        skipped = {each.utt_id: each[1:] for each in mine.entries}
        write_phones(self.file(part), rows, self.plan, skipped)
        bad.merge(mine)

    def _row(self, utt_id: str) -> PhoneRow | tuple[str, str, str]:
        """The utterance, or path, reason and detail of what is wrong with it."""
        segments = self.data_dir.phones.get(utt_id)
        source = self.data_dir.source(utt_id)
        if segments is None:
            return source.path, "no_alignment", "not in phones.ctm"
        grid, num_frames = self.frames.grid, self.frames.lengths[utt_id]
        try:
            symbols, durations = phone_frames(segments, num_frames, grid)
        except DataError as error:
            return source.path, "misaligned", error.message
        try:
            wav, _ = read_audio(source, grid.sample_rate)
        except BadAudio as error:
            return error.path, error.reason, error.detail
        f0 = fundamental(wav, grid, num_frames, self.options)
        pitch = phone_means(continuous_log(f0), durations)
        return PhoneRow(
            symbols=symbols,
            durations=durations,
            pitch=pitch.astype(np.float32),
            energy=phone_means(energy(wav, grid, num_frames), durations).astype(np.float32),
            f0=f0.astype(np.float32),
            speaker=self.data_dir.utt2spk[utt_id],
            language=self._languages.get(utt_id, ""),
        )


def _describe(store: PhoneStore) -> None:
    pitch = store.statistics("pitch")
    _logger.info(
        "%s: %d utterances, %d skipped, %d phones of %d kinds (%d without a frame), %d speakers, "
        "pitch %.0f Hz",
        store.path,
        len(store),
        len(store.skipped),
        int(store.phone_counts.sum()),
        len(store.symbols),
        store.num_silent_phones,
        len(store.speakers),
        np.exp(pitch.mean),
    )
