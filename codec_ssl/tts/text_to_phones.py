"""From text to phones: by espeak-ng, by a pronouncing dictionary, or phones as they are given."""

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from codec_ssl.data.alignment import PAUSE, is_pause
from codec_ssl.data.espeak import Request, synthesize
from codec_ssl.data.mini_corpus import phone_segments
from codec_ssl.data.tables import numbered_lines
from codec_ssl.errors import DataError

KINDS = ("text", "phones")
# Neither changes what is said, only how: the ones that prepare_data align uses.
_RATE, _PITCH = 150, 50
_logger = logging.getLogger(__name__)
# What corpora call languages, and espeak-ng its voices.
_VOICES = {
    "dutch": "nl",
    "english": "en",
    "finnish": "fi",
    "french": "fr",
    "german": "de",
    "greek": "el",
    "hungarian": "hu",
    "italian": "it",
    "polish": "pl",
    "portuguese": "pt",
    "russian": "ru",
    "spanish": "es",
}
_WORD_OR_MARK = re.compile(r"[\w'’-]+|[.,;:!?…]")
_PROBABILITY = re.compile(r"\d+(\.\d+)?([eE]-?\d+)?")


def espeak_phones(texts: Mapping[str, str], languages: Mapping[str, str]) -> dict[str, list[str]]:
    """Phones as espeak-ng speaks them, with its pauses as ``sil``.

    These are the symbols of the embedded corpus and of ``prepare_data align``; a training on
    alignments of another aligner needs that aligner's dictionary.

    Args:
        texts: Texts by utterance.
        languages: Language of each utterance: ``german``, or a voice such as ``de``.

    Returns:
        Symbols by utterance.

    Raises:
        DataError: A text has nothing to speak, or espeak-ng does not know a voice.
    """
    for utt_id, text in texts.items():
        if not any(map(str.isalnum, text)):
            raise DataError(f"utterance {utt_id}: expected a text to speak, found {text!r}")
    voices = {utt_id: _VOICES.get(name, name) for utt_id, name in languages.items()}
    requests = [
        Request(text.lower(), voices[utt_id], _RATE, _PITCH) for utt_id, text in texts.items()
    ]
    found = {}
    for utt_id, speech in zip(texts, synthesize(requests), strict=True):
        duration = len(speech.samples) / speech.sample_rate
        found[utt_id] = [segment.label for segment in phone_segments(speech, duration)]
    return found


def given_phones(texts: Mapping[str, str]) -> dict[str, list[str]]:
    """Symbols that stand in the text already, parted by blanks; pauses get their one name.

    Raises:
        DataError: A text is empty.
    """
    found = {}
    for utt_id, text in texts.items():
        symbols = [PAUSE if is_pause(symbol) else symbol for symbol in text.split()]
        if not symbols:
            raise DataError(f"utterance {utt_id}: expected phones, found an empty line")
        found[utt_id] = symbols
    return found


class Lexicon:
    """A pronouncing dictionary, as the Montreal Forced Aligner takes it.

    A line is a word, perhaps some probabilities, and its phones; the first pronunciation counts.

    Args:
        path: The file.
        stress: Whether ``AH0`` and ``AH1`` stay two phones; as for ``prepare_data phones``.

    Raises:
        DataError: It cannot be read, or a line has no phones.
    """

    def __init__(self, path: str | Path, *, stress: bool = False) -> None:
        self.path = Path(path)
        self._phones: dict[str, list[str]] = {}
        for number, line in numbered_lines(path):
            word, *rest = line.split()
            while rest and _PROBABILITY.fullmatch(rest[0]):
                rest = rest[1:]
            if not rest:
                raise DataError(f"{path}:{number}: expected a word and its phones, found {line!r}")
            phones = rest if stress else [phone.rstrip("012") for phone in rest]
            self._phones.setdefault(word.lower(), phones)

    def phones(self, texts: Mapping[str, str], unknown: str = "error") -> dict[str, list[str]]:
        """Look the words up; a pause stands at both ends and at every mark of punctuation.

        A word with hyphens that is not there is looked up part by part, as aligners do.

        Args:
            texts: Texts by utterance.
            unknown: ``skip`` leaves words out that are not in the dictionary; ``error`` stops.

        Raises:
            DataError: A word is not there, or a text has none.
        """
        found = {}
        for utt_id, text in texts.items():
            tokens = _WORD_OR_MARK.findall(text.lower().replace("’", "'"))
            words = [word for token in tokens for word in self._words(token)]
            missing = [word for word in words if self._lacks(word)]
            if missing and unknown == "error":
                raise DataError(
                    f"utterance {utt_id}: expected words of {self.path}, found {missing[0]!r}; add "
                    "it, or leave such words out with --unknown_symbols skip"
                )
            if missing:
                _logger.warning("utterance %s: words left out: %s", utt_id, " ".join(missing))
            found[utt_id] = self._join([word for word in words if word not in missing])
            if found[utt_id] == [PAUSE]:
                raise DataError(f"utterance {utt_id}: expected words to speak, found {text!r}")
        return found

    def _words(self, token: str) -> list[str]:
        """A token as the dictionary has it: whole, without quotes, or parted at hyphens."""
        for word in (token, token.strip("'-")):
            if not self._lacks(word):
                return [word]
        return [word for part in token.split("-") if (word := part.strip("'"))]

    def _lacks(self, word: str) -> bool:
        return any(map(str.isalnum, word)) and word not in self._phones

    def _join(self, words: Sequence[str]) -> list[str]:
        symbols = [PAUSE]
        for word in [*words, "."]:
            phones = self._phones.get(word, [PAUSE])
            if phones != [PAUSE] or symbols[-1] != PAUSE:
                symbols += phones
        return symbols
