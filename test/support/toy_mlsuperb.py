"""ML-SUPERB in its public layout, tiny: English, German, and the reserved Esperanto."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from codec_ssl.data.corpora.ml_superb import few_shot_utterances
from codec_ssl.data.espeak import Request, synthesize

RATE = 16000


@dataclass(frozen=True)
class Part:
    """A language of a corpus: who says which words, and how its utterances are called."""

    corpus: str
    prefix: str
    language: str
    voice: str
    words: str


PARTS = (
    Part("commonvoice", "cv", "eng", "en+f2", "one two three four five six seven"),
    Part("fleurs", "fleurs", "deu", "de+m3", "eins zwei drei vier fünf sechs sieben"),
    Part("commonvoice", "cv", "epo", "eo+f1", "unu du tri kvar kvin ses sep"),
)
COUNTS = {"1h_train": 24, "10min_dev": 4, "10min_test": 6}


def make(root: Path, counts: Mapping[str, int] = COUNTS, *, spoken: bool = True) -> None:
    """Write the corpus; the ten minutes of training are the first half of the hour.

    Args:
        root: Gets ``commonvoice/eng`` and so on.
        counts: Utterances of each part of a language.
        spoken: Whether espeak says them; if not, they are of noise, half a second long.
    """
    random = np.random.default_rng(0)
    files: dict[Path, str] = {}
    for part in PARTS:
        folder = root / part.corpus / part.language
        (folder / "wav").mkdir(parents=True)
        # The few-shot utterances first: they are in both training sets.
        few = sorted(few_shot_utterances(part.language))
        others = (f"{part.prefix}_{part.language}_{number:06d}" for number in range(1000, 2000))
        names = iter([*few, *others])
        for split, count in counts.items():
            lines = []
            for _ in range(count):
                words = random.choice(part.words.split(), size=random.integers(1, 4))
                utt, text = next(names), " ".join(words)
                files[folder / "wav" / f"{utt}.wav"] = text
                # Spelt as its source spells, after a field that no reader needs.
                lines.append(f"{utt} 0.0 {text.capitalize().replace(' ', ', ', 1)}.\n")
            (folder / f"transcript_{split}.txt").write_text("".join(lines), encoding="utf-8")
            if split == "1h_train":
                half = "".join(lines[: count // 2])
                (folder / "transcript_10min_train.txt").write_text(half, encoding="utf-8")
    _say(files) if spoken else _hiss(files, random)


def _say(files: Mapping[Path, str]) -> None:
    voices = {part.language: part.voice for part in PARTS}
    requests = [
        Request(text, voices[path.parent.parent.name], rate=220, pitch=40 + index % 20)
        for index, (path, text) in enumerate(files.items())
    ]
    for path, speech in zip(files, synthesize(requests), strict=True):
        wav = soxr.resample(speech.samples.astype(np.float32) / 32768, speech.sample_rate, RATE)
        soundfile.write(path, wav, RATE)


def _hiss(files: Mapping[Path, str], random: np.random.Generator) -> None:
    for path in files:
        soundfile.write(path, 0.01 * random.standard_normal(RATE // 2), RATE)
