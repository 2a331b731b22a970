"""Opening audio by content: what libsndfile reads, and clear reasons where it cannot."""

import logging
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import soundfile

from codec_ssl.data.bad_audio import BadAudio
from codec_ssl.data.containers import has_no_length, missing_end

_BLOCK_FRAMES = 1 << 17
# libsndfile's length of a FLAC that was written to a pipe is the largest number that it has.
_UNKNOWN_FRAMES = 1 << 62

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class AudioSource:
    """Where the samples of an utterance are: a file, or the seconds ``[start, end)`` of one."""

    utt_id: str
    path: str
    start: float | None = None
    end: float | None = None


def bad_audio(source: AudioSource, reason: str, detail: str) -> BadAudio:
    """Return the error for an utterance, to be raised."""
    return BadAudio(source.path, reason, detail, source.utt_id)


class AudioFile(soundfile.SoundFile):
    """A file that ``read`` leaves where it stopped.

    ``soundfile`` seeks after every read of a seekable file, and that fails at the end of a FLAC
    whose header has no length.
    """

    def seekable(self) -> bool:
        """Return False, which keeps ``read`` from seeking."""
        return False

    @property
    def length(self) -> int | None:
        """Number of frames, or None where the header does not have it."""
        return self.frames if self.frames < _UNKNOWN_FRAMES else None

    def skip(self, num_frames: int) -> None:
        """Pass over frames: by seeking, or by decoding where no length is known."""
        if self.length is not None:
            self.seek(num_frames, whence=os.SEEK_CUR)
            return
        while num_frames > 0 and len(block := self.read(min(num_frames, _BLOCK_FRAMES))):
            num_frames -= len(block)


@contextmanager
def open_audio(source: AudioSource) -> Iterator[AudioFile]:
    """Open by descriptor, so that libsndfile sees content only and no extension misleads it.

    Raises:
        BadAudio: If the file is missing, unreadable or empty, or its container shows a lost end.
    """
    try:
        descriptor = os.open(source.path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise bad_audio(source, "missing", "no such file") from error
    except OSError as error:
        raise bad_audio(source, "unreadable", error.strerror or str(error)) from error
    try:
        _check_file(source, descriptor)
        with _sound_file(source, descriptor) as file:
            if file.frames == 0:
                raise bad_audio(source, "empty", "a header without samples")
            if file.format == "MP3" and has_no_length(descriptor):
                with _through_pipe(descriptor) as pipe, _sound_file(source, pipe) as piped:
                    yield piped
            else:
                yield file
    finally:
        os.close(descriptor)


def _sound_file(source: AudioSource, descriptor: int) -> AudioFile:
    try:
        return AudioFile(descriptor, closefd=False)
    except soundfile.LibsndfileError as error:
        raise bad_audio(source, "unreadable", f"libsndfile: {error.error_string}") from error


@contextmanager
def _through_pipe(descriptor: int) -> Iterator[int]:
    """Give a file's bytes through a pipe, where libsndfile reads to the end, not to its guess."""
    read_end, write_end = os.pipe()

    def feed() -> None:
        position = 0
        try:
            while data := os.pread(descriptor, 1 << 16, position):
                position += os.write(write_end, data)
        except BrokenPipeError:
            _logger.debug("the reader needed no more than %d bytes", position)
        finally:
            os.close(write_end)

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    try:
        yield read_end
    finally:
        os.close(read_end)
        feeder.join()


def _check_file(source: AudioSource, descriptor: int) -> None:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise bad_audio(source, "unreadable", "expected a regular file")
    if status.st_size == 0:
        raise bad_audio(source, "empty", "0 bytes")
    if (loss := missing_end(descriptor, status.st_size)) is not None:
        raise bad_audio(source, "truncated", loss)
