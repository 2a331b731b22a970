"""What is to be spoken: a text, a file of texts, a data dir, or the phones of a store."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from codec_ssl.data.data_dir import DataDir, only
from codec_ssl.data.tables import read_table
from codec_ssl.errors import ConfigError, DataError
from codec_ssl.tts.experiment import Facts
from codec_ssl.tts.phone_store import PhoneStore
from codec_ssl.tts.synthesizer import Line, lines_of
from codec_ssl.tts.text_to_phones import KINDS, Lexicon, espeak_phones, given_phones

SPOKEN_ID = "spoken"
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Script:
    """Utterances to speak.

    Attributes:
        texts: Transcripts by utterance, where they are known.
        speakers: Speakers by utterance, where they are known.
        languages: Languages by utterance, where they are known.
        phones: A store that has their phones; None finds the phones of the texts.
    """

    texts: dict[str, str] = field(default_factory=dict)
    speakers: dict[str, str] = field(default_factory=dict)
    languages: dict[str, str] = field(default_factory=dict)
    phones: PhoneStore | None = None

    @property
    def utt_ids(self) -> list[str]:
        """All utterances."""
        return list(self.texts) if self.phones is None else self.phones.utt_ids


@dataclass(frozen=True)
class Reading:
    """How texts become phones.

    Attributes:
        kind: ``text``, or ``phones`` where symbols stand in the texts already.
        language: Voice of espeak-ng for all; None takes each utterance's language, or the
            training's if it had but one.
        lexicon: A dictionary in place of espeak-ng.
        unknown: What to do with unknown symbols and words: ``error`` or ``skip``.
        speaker: Who speaks all; None takes the script's speakers.
        given: Whether the phones' own durations, pitch and energy are spoken.
    """

    kind: str = KINDS[0]
    language: str | None = None
    lexicon: Path | None = None
    unknown: str = "error"
    speaker: str | None = None
    given: bool = False


def read_script(text: str | None, data_dir: str | Path | None, phones: str | Path | None) -> Script:
    """Collect what is to be spoken.

    Args:
        text: A text, or a file of texts like Kaldi's ``text``.
        data_dir: Its ``text``, ``utt2spk`` and ``utt2lang`` are taken.
        phones: A phone store; its utterances are spoken, texts only go along.

    Raises:
        ConfigError: There is nothing, or a text beside a data dir.
        DataError: A file cannot be read, or has no text.
    """
    if text is not None and data_dir is not None:
        raise ConfigError("expected --text or --data_dir, found both")
    script = Script()
    if data_dir is not None:
        source = DataDir(data_dir)
        languages = source.labels("lang") if "lang" in source.label_names else {}
        script = Script(dict(source.text), dict(source.utt2spk), dict(languages))
    elif text is not None:
        texts = read_table(text, allow_empty=True) if _is_file(text) else {SPOKEN_ID: text}
        script = Script(texts)
    if phones is None:
        if not script.texts:
            raise DataError(
                f"{data_dir or text or 'script'}: expected texts to speak, found none: give --text,"
                " --data_dir or --phones"
            )
        return replace(
            script,
            speakers=only(script.speakers, script.texts),
            languages=only(script.languages, script.texts),
        )
    store = PhoneStore(phones)
    rows = {utt_id: store[utt_id] for utt_id in store.utt_ids}
    return Script(
        texts=only(script.texts, rows),
        speakers={utt_id: row.speaker for utt_id, row in rows.items()},
        languages={utt_id: row.language for utt_id, row in rows.items() if row.language},
        phones=store,
    )


def make_lines(script: Script, reading: Reading, facts: Facts) -> dict[str, Line]:
    """Find phones and speaker of every utterance.

    Args:
        script: The utterances.
        reading: How.
        facts: What the model speaks.

    Raises:
        DataError: A text cannot be read, or has an unknown symbol.
        ConfigError: A language or speaker isn't known.
    """
    if script.phones is not None:
        return _stored_lines(script.phones, reading, facts)
    if reading.given:
        raise ConfigError("--teacher true: expected --phones with durations, found none")
    phones = facts.symbols.known(_read(script, reading, facts), reading.unknown)
    return {
        utt_id: Line(symbols, _speaker(utt_id, script.speakers, reading, facts))
        for utt_id, symbols in phones.items()
    }


def spoken_script(script: Script, lines: Mapping[str, Line]) -> Script:
    """A script as it was spoken: by other speakers perhaps, and without what was left out."""
    speakers = {
        utt_id: line.speaker or script.speakers.get(utt_id) for utt_id, line in lines.items()
    }
    return Script(
        texts=only(script.texts, lines),
        speakers={utt_id: speaker for utt_id, speaker in speakers.items() if speaker},
        languages=only(script.languages, lines),
    )


def _stored_lines(store: PhoneStore, reading: Reading, facts: Facts) -> dict[str, Line]:
    """Lines of a store: unknown symbols cost a phone of its own prosody, or the utterance."""
    lines = lines_of(store, given=reading.given)
    phones = {utt_id: line.symbols for utt_id, line in lines.items()}
    if reading.given:
        usable = facts.symbols.usable(phones, reading.unknown)
        lines = {utt_id: lines[utt_id] for utt_id in usable}
    else:
        known = facts.symbols.known(phones, reading.unknown)
        lines = {utt_id: replace(line, symbols=known[utt_id]) for utt_id, line in lines.items()}
    if reading.speaker is None:
        return lines
    return {utt_id: replace(line, speaker=reading.speaker) for utt_id, line in lines.items()}


def _read(script: Script, reading: Reading, facts: Facts) -> Mapping[str, list[str]]:
    if reading.kind == "phones":
        return given_phones(script.texts)
    if reading.lexicon is not None:
        return Lexicon(reading.lexicon).phones(script.texts, reading.unknown)
    default = reading.language or (facts.languages[0] if len(facts.languages) == 1 else None)
    languages = {}
    for utt_id in script.texts:
        language = reading.language or script.languages.get(utt_id) or default
        if language is None:
            raise ConfigError(
                f"utterance {utt_id}: expected --language, or utt2lang in the data dir, found "
                f"neither; the training had {', '.join(facts.languages) or 'no utt2lang'}"
            )
        languages[utt_id] = language
    return espeak_phones(script.texts, languages)


def _speaker(utt_id: str, speakers: Mapping[str, str], reading: Reading, facts: Facts) -> str:
    """Who speaks an utterance; "" where the model does not tell speakers apart.

    Raises:
        ConfigError: Nobody knows.
    """
    if not facts.speakers:
        return ""
    speaker = reading.speaker or speakers.get(utt_id)
    if speaker is None and len(facts.speakers) == 1:
        speaker = facts.speakers[0]
    if speaker is None:
        raise ConfigError(
            f"utterance {utt_id}: expected --speaker, one of {', '.join(facts.speakers)}"
        )
    return speaker


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except OSError:  # a text longer than a file's name may be
        return False
