"""The embedded corpus: minutes of synthetic speech with exact phone times, made in seconds.

Fifteen speakers (eight of them English, one for each other language of MLS) say sentences of
``mini_text`` and, in English, single keywords. Speakers are shared between train, valid and test
and sentences are not, so speaker, keyword and phone probes all work. Deterministic: the same size
and seed give the same bytes.
"""

import logging
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from codec_ssl.data.alignment import PAUSE, Segment
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.espeak import Request, Speech, synthesize
from codec_ssl.data.mini_text import KEYWORDS, LANGUAGES, sentence
from codec_ssl.data.noise import pink_noise
from codec_ssl.data.wav_file import write_wav
from codec_ssl.errors import DataError

SAMPLE_RATE = 16000
_NOISE_DB = -35.0
_PEAK = 0.6
# Marks of stress, length, syllabicity and transition say how a phone is spoken, not which it is.
_MARKS = re.compile("[ˈˌːˑ\\-ʲ\u0329\u032f\ufffd;']")
# Rare variants in espeak-ng's notation, folded into the phone beside them.
_FOLDED = {"əl": "l", "iə": "ɪə", "aɪə": "aɪ", "aʊə": "aʊ", "ss": "s"}

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Size:
    """How much to make.

    Attributes:
        utterances: Number of utterances of each split.
        keyword_share: Share of them that are single keywords.
        sentences: Fewest and most sentences in one of the others.
    """

    utterances: dict[str, int]
    keyword_share: float
    sentences: tuple[int, int]


SIZES = {
    "ci": Size({"train": 160, "valid": 20, "test": 40}, 0.5, (1, 1)),
    "small": Size({"train": 400, "valid": 40, "test": 100}, 0.4, (1, 2)),
    "full": Size({"train": 1000, "valid": 80, "test": 200}, 0.25, (1, 2)),
}


@dataclass(frozen=True)
class Speaker:
    """A voice of espeak-ng with its own manner.

    Attributes:
        name: Speaker id, which is also the start of its utterance ids.
        language: One of ``mini_text.LANGUAGES``.
        voice: espeak-ng's name, with the variant.
        rate: Mean words a minute.
        pitch: Mean pitch, 0 to 99.
        gain: Loudness, relative.
    """

    name: str
    language: str
    voice: str
    rate: int
    pitch: int
    gain: float

    @property
    def gender(self) -> str:
        """``f`` or ``m``, by the variant."""
        return self.voice.split("+")[1][0]


_ENGLISH_VARIANTS = ("f1", "m1", "f2", "m2", "f4", "m3", "f5", "m7")
_OTHER_VARIANTS = ("m4", "f3", "f2", "m5", "f1", "m6", "f4")


def speakers() -> list[Speaker]:
    """Return the speakers, the English ones first."""
    languages = ["en"] * len(_ENGLISH_VARIANTS) + [lang for lang in LANGUAGES if lang != "en"]
    return [
        Speaker(
            name=f"{language}-{variant}",
            language=language,
            voice=f"{language}+{variant}",
            rate=145 + 7 * (index * 5 % 11),
            pitch=35 + 4 * (index * 3 % 9),
            gain=0.5 + 0.05 * (index * 7 % 11),
        )
        for index, (language, variant) in enumerate(
            zip(languages, _ENGLISH_VARIANTS + _OTHER_VARIANTS, strict=True)
        )
    ]


@dataclass(frozen=True)
class Utterance:
    """One planned utterance; ``keyword`` is None for sentences."""

    utt_id: str
    split: str
    speaker: Speaker
    text: str
    keyword: str | None
    request: Request


def make(out_dir: str | Path, size: str = "ci", seed: int = 0) -> list[DataDir]:
    """Make the corpus: 16 kHz 16-bit WAVs and the data dirs train, valid and test.

    Every data dir has ``wav.scp`` (absolute paths), ``utt2spk``, ``text``, ``phones.ctm``,
    ``utt2lang``, ``utt2gender`` and, for the single words, ``utt2keyword``.

    Args:
        out_dir: Folder for ``wav/`` and the data dirs.
        size: ``ci`` (about 5 minutes of audio), ``small`` (20) or ``full`` (60).
        seed: Other seeds give other sentences, noise and manner.

    Raises:
        DataError: If the size is unknown or espeak-ng is not installed.
    """
    if size not in SIZES:
        raise DataError(f"mini corpus: expected a size of {sorted(SIZES)}, found {size!r}")
    out_dir = Path(out_dir).resolve()
    utterances = plan(SIZES[size], seed)
    phones: dict[str, list[Segment]] = {}
    seconds = 0.0
    said = synthesize([utterance.request for utterance in utterances])
    for utterance, speech in zip(utterances, said, strict=True):
        wav = _recorded(speech, utterance, seed)
        write_wav(_wav_path(out_dir, utterance), wav, SAMPLE_RATE)
        phones[utterance.utt_id] = phone_segments(speech, len(wav) / SAMPLE_RATE)
        seconds += len(wav) / SAMPLE_RATE
    _logger.info("%d utterances, %.1f minutes in %s", len(utterances), seconds / 60, out_dir)
    return [_write_split(out_dir, name, utterances, phones) for name in SIZES[size].utterances]


def plan(size: Size, seed: int) -> list[Utterance]:
    """Decide who says what: no sentence comes twice, a quarter of the sentences isn't English."""
    rng = np.random.default_rng(seed)
    everyone = speakers()
    english = [speaker for speaker in everyone if speaker.language == "en"]
    others = [speaker for speaker in everyone if speaker.language != "en"]
    used: set[str] = set()
    utterances = []
    for split, count in size.utterances.items():
        num_keywords = round(count * size.keyword_share)
        for index in range(count):
            number = index - num_keywords
            if number < 0:
                text = keyword = KEYWORDS[index % len(KEYWORDS)]
                # The shift pairs each keyword with all speakers in turn, not always with the same.
                speaker = english[(index + index // len(KEYWORDS)) % len(english)]
            else:
                keyword = None
                foreign = number % 4 == 3
                speaker = (
                    others[number // 4 % len(others)]
                    if foreign
                    else english[(number - number // 4) % len(english)]
                )
                text = _new_text(speaker.language, size.sentences, used, rng)
            utterances.append(_planned(split, index, speaker, text, keyword, rng))
    return utterances


def _new_text(
    language: str, num_sentences: tuple[int, int], used: set[str], rng: np.random.Generator
) -> str:
    low, high = num_sentences
    count = int(rng.integers(low, high + 1))
    chosen: list[str] = []
    while len(chosen) < count:
        candidate = sentence(language, rng)
        if candidate not in used:
            used.add(candidate)
            chosen.append(candidate)
    return " ".join(chosen)


def _planned(
    split: str,
    index: int,
    speaker: Speaker,
    text: str,
    keyword: str | None,
    rng: np.random.Generator,
) -> Utterance:
    request = Request(
        text=text,
        voice=speaker.voice,
        rate=round(speaker.rate * rng.uniform(0.9, 1.1)),
        pitch=speaker.pitch + int(rng.integers(-5, 6)),
    )
    return Utterance(f"{speaker.name}-{split}-{index:04d}", split, speaker, text, keyword, request)


def _wav_path(out_dir: Path, utterance: Utterance) -> Path:
    return out_dir / "wav" / utterance.split / f"{utterance.utt_id}.wav"


def _recorded(speech: Speech, utterance: Utterance, seed: int) -> np.ndarray:
    """Resample to 16 kHz, at the speaker's loudness, with pink noise 35 dB below the speech."""
    wav = soxr.resample(speech.samples.astype(np.float32) / 32768, speech.sample_rate, SAMPLE_RATE)
    wav *= utterance.speaker.gain * _PEAK / max(np.abs(wav).max(), 1e-3)
    rng = np.random.default_rng([seed, zlib.crc32(utterance.utt_id.encode())])
    noise = pink_noise(len(wav), SAMPLE_RATE, rng)
    noise *= np.sqrt(np.mean(np.square(wav))) * 10 ** (_NOISE_DB / 20)
    return (wav + noise).astype(np.float32)


def phone_segments(speech: Speech, duration: float) -> list[Segment]:
    """Turn phone starts into segments that cover the utterance; neighbouring pauses are one.

    Args:
        speech: What espeak-ng said.
        duration: Length of the recording in seconds, where the last segment ends.
    """
    starts: list[tuple[float, str]] = []
    for sample, symbol in speech.phones:
        label = phone_label(symbol)
        start = min(sample / speech.sample_rate, duration)
        if not starts and start > 0:
            starts.append((0.0, PAUSE))
        if label != PAUSE or not starts or starts[-1][1] != PAUSE:
            starts.append((start, label))
    ends = [start for start, _ in starts[1:]] + [duration]
    return [
        Segment(start, end, label)
        for (start, label), end in zip(starts, ends, strict=True)
        if end > start
    ]


def phone_label(symbol: str) -> str:
    """Return the phone of an IPA symbol of espeak-ng, without stress and length; pauses are sil."""
    bare = _MARKS.sub("", symbol)
    return _FOLDED.get(bare, bare) or PAUSE


def _write_split(
    out_dir: Path,
    split: str,
    utterances: Sequence[Utterance],
    phones: dict[str, list[Segment]],
) -> DataDir:
    mine = [utterance for utterance in utterances if utterance.split == split]
    return DataDir.write(
        out_dir / split,
        wav={each.utt_id: str(_wav_path(out_dir, each)) for each in mine},
        utt2spk={each.utt_id: each.speaker.name for each in mine},
        text={each.utt_id: each.text for each in mine},
        labels={
            "lang": {each.utt_id: each.speaker.language for each in mine},
            "gender": {each.utt_id: each.speaker.gender for each in mine},
            "keyword": {each.utt_id: each.keyword for each in mine if each.keyword},
        },
        phones={each.utt_id: phones[each.utt_id] for each in mine},
    )
