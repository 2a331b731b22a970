"""Speech with exact phone times from espeak-ng, an optional tool that comes inside a pip package.

espeak-ng keeps state between sentences: the same text differs in samples when it is said again,
while the same calls in a new process give the same bytes. So speech is made in a process of its
own, in the order of the requests: ``synthesize`` starts it, this module run as a script is it.
"""

import ctypes
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from codec_ssl.errors import DataError

_SYNCHRONOUS = 2
_PHONEME_EVENTS, _PHONEME_IPA, _DONT_EXIT = 0x1, 0x2, 0x8000
_EVENT_END, _EVENT_PHONEME = 0, 7
_RATE, _PITCH = 1, 3
_NOISE_SEED = 1
_POSITION_CHARACTER, _TEXT_UTF8 = 1, 1


@dataclass(frozen=True)
class Request:
    """One utterance to say.

    Attributes:
        text: What to say.
        voice: Name of an espeak-ng voice, with a variant: ``en+f2``.
        rate: Words a minute, 80 to 450.
        pitch: 0 to 99.
    """

    text: str
    voice: str
    rate: int
    pitch: int


@dataclass(frozen=True)
class Speech:
    """What espeak-ng said.

    Attributes:
        samples: ``(N,)`` int16.
        sample_rate: In Hz.
        phones: First sample and IPA symbol of each phone in order; ``""`` is a pause.
    """

    samples: np.ndarray
    sample_rate: int
    phones: list[tuple[int, str]]


def synthesize(requests: Sequence[Request]) -> Iterator[Speech]:
    """Say all requests in one new process; the same requests give the same bytes.

    Raises:
        DataError: If espeak-ng is not installed, or does not know a voice.
    """
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "requests.json").write_text(json.dumps([asdict(each) for each in requests]))
        command = [sys.executable, "-m", "codec_ssl.data.espeak", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            reason = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
            raise DataError(f"espeak-ng (pip package espeakng-loader) failed: {reason[0]}")
        samples = np.fromfile(Path(folder, "samples.raw"), dtype=np.int16)
        start = 0
        with open(Path(folder, "speech.jsonl"), encoding="utf-8") as file:
            for line in file:
                said = json.loads(line)
                stop = start + said["num_samples"]
                phones = [(first, symbol) for first, symbol in said["phones"]]
                yield Speech(samples[start:stop], said["sample_rate"], phones)
                start = stop


class _EventId(ctypes.Union):
    _fields_ = (
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    )


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class _Synthesizer:
    """The library, loaded into this process."""

    def __init__(self) -> None:
        import espeakng_loader  # optional: only those who make the embedded corpus need it

        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self._library.espeak_Initialize.argtypes = [
            ctypes.c_int,
            ctypes.c_int,
            ctypes.c_char_p,
            ctypes.c_int,
        ]
        self._library.espeak_Synth.argtypes = [
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_uint,
            ctypes.c_void_p,
            ctypes.c_void_p,
        ]
        self.sample_rate = self._library.espeak_Initialize(
            _SYNCHRONOUS,
            0,
            espeakng_loader.get_data_path().encode(),
            _PHONEME_EVENTS | _PHONEME_IPA | _DONT_EXIT,
        )
        if self.sample_rate <= 0:
            raise DataError("espeak-ng could not be initialised from its own data")
        # It seeds the noise of its breathy voices with the time of day.
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(_NOISE_SEED))
        self._callback = _Callback(self._receive)  # held, or it would be collected
        self._library.espeak_SetSynthCallback(self._callback)
        self._blocks: list[np.ndarray] = []
        self._phones: list[tuple[int, str]] = []

    def _receive(self, samples: ctypes.Array, count: int, events: ctypes.Array) -> int:
        if samples and count > 0:
            self._blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        index = 0
        while events[index].type != _EVENT_END:
            event = events[index]
            if event.type == _EVENT_PHONEME:
                self._phones.append((event.sample, event.id.string.decode("utf-8", "replace")))
            index += 1
        return 0

    def say(self, request: Request) -> Speech:
        if self._library.espeak_SetVoiceByName(request.voice.encode()) != 0:
            raise DataError(f"espeak-ng has no voice {request.voice!r}")
        self._library.espeak_SetParameter(_RATE, request.rate, 0)
        self._library.espeak_SetParameter(_PITCH, request.pitch, 0)
        self._blocks, self._phones = [], []
        text = request.text.encode() + b"\0"
        status = self._library.espeak_Synth(
            text, len(text), 0, _POSITION_CHARACTER, 0, _TEXT_UTF8, None, None
        )
        if status != 0 or not self._blocks:
            raise DataError(f"espeak-ng could not say {request.text!r} (status {status})")
        return Speech(np.concatenate(self._blocks), self.sample_rate, self._phones)


def _serve(folder: Path) -> None:
    requests = json.loads(Path(folder, "requests.json").read_text())
    synthesizer = _Synthesizer()
    with (
        open(folder / "samples.raw", "wb") as samples,
        open(folder / "speech.jsonl", "w", encoding="utf-8") as index,
    ):
        for request in requests:
            speech = synthesizer.say(Request(**request))
            speech.samples.tofile(samples)
            said = {
                "num_samples": len(speech.samples),
                "sample_rate": speech.sample_rate,
                "phones": speech.phones,
            }
            index.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
