"""Data of an encoder's ASR training: speech and transcripts, checked, recorded and measured."""

import argparse
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnet2.train.preprocessor import CommonPreprocessor

from codec_ssl.asr.fit import FILTERBANK, UNITS, UPSTREAM, find_unfit, frontend_frames
from codec_ssl.asr.speech import check_speech, record_speech, seconds_of
from codec_ssl.asr.text import Normalization
from codec_ssl.asr.transcripts import read_transcripts
from codec_ssl.asr.vocabulary import UNKNOWN
from codec_ssl.data.waveforms import Waveforms
from codec_ssl.errors import CheckpointError, ConfigError, DataError
from codec_ssl.tokens.files import canonical, text_digest
from codec_ssl.tokens.store import TokenStore
from codec_ssl.train import audio_type, data_type
from codec_ssl.train.audio_type import load_waveforms
from codec_ssl.train.checkpoint import read_config
from codec_ssl.train.lengths import utterances_of

SPEECH, TEXT = "speech", "text"
UNKNOWN_SYMBOLS = ("error", "unk")
_SHOWN = 5
_logger = logging.getLogger(__name__)


def register() -> None:
    """Add the data types to ESPnet's table."""
    data_type.register()
    audio_type.register()


@dataclass(frozen=True)
class ASRSet:
    """Training or validation set.

    Attributes:
        speech: Codes, or audio.
        text: Transcripts of the utterances that are used.
    """

    speech: TokenStore | Waveforms
    text: Mapping[str, str]

    def record(self) -> dict[str, Any]:
        """What ``config.yaml`` keeps: the speech, and which transcripts."""
        content = text_digest(canonical(list(self.text.items())))
        return record_speech(self.speech) | {TEXT: {"count": len(self.text), "content": content}}


def open_split(args: argparse.Namespace, split: str) -> ASRSet:
    """Open what ``--<split>_data_path_and_name_and_type`` names.

    It is ``STORE,speech,token_store`` or ``DATA_DIR,speech,speech_<rate>``, and
    ``FILE,text,text``. The first column of ``--<split>_shape_file``, if there is one, says which
    utterances are used; otherwise those that have a transcript.

    Raises:
        ConfigError: It is something else, or doesn't go with ``--frontend``.
        CodecSSLError: Data cannot be opened, or an utterance is unusable.
    """
    entries = getattr(args, f"{split}_data_path_and_name_and_type")
    found = {name: (path, kind) for path, name, kind in entries}
    kind = found.get(SPEECH, ("", ""))[1]
    is_audio = re.fullmatch(audio_type.WHOLE, kind) is not None
    if found.keys() != {SPEECH, TEXT} or not (is_audio or kind == data_type.NAME):
        raise ConfigError(
            f"{split} data: expected STORE,{SPEECH},{data_type.NAME} or DATA_DIR,{SPEECH},"
            f"speech_16000, and FILE,{TEXT},text, found {[','.join(each) for each in entries]}"
        )
    wanted = (FILTERBANK, UPSTREAM) if is_audio else (UNITS,)
    if args.frontend not in wanted:
        raise ConfigError(
            f"{split} data: --frontend {args.frontend} doesn't take {kind}: expected"
            f" {' or '.join(wanted)}"
        )
    path = found[SPEECH][0]
    speech = load_waveforms(path, kind) if is_audio else TokenStore(path)
    shapes = getattr(args, f"{split}_shape_file")
    utt_ids = utterances_of(shapes[0], speech) if shapes else speech.utt_ids
    plain = Normalization(unicode="none")
    text = read_transcripts(found[TEXT][0], plain, utt_ids=utt_ids, unusable=args.unusable_text)
    return ASRSet(speech, text)


def tokenize(
    sets: Mapping[str, ASRSet], preprocess: CommonPreprocessor, unknown_symbols: str
) -> dict[str, dict[str, list[int]]]:
    """Token numbers of all transcripts, as training makes them.

    Args:
        sets: Sets by split.
        preprocess: ESPnet's.
        unknown_symbols: ``error`` or ``unk``.

    Returns:
        Numbers by split and utterance.

    Raises:
        DataError: Transcripts have symbols outside the vocabulary, and that is an error.
    """
    known = preprocess.token_id_converter.token2id
    made: dict[str, dict[str, list[int]]] = {}
    for split, found in sets.items():
        made[split] = {}
        strange: dict[str, list[str]] = {}
        for utt_id, text in found.text.items():
            tokens = preprocess.tokenizer.text2tokens(text)
            made[split][utt_id] = [known.get(token, known[UNKNOWN]) for token in tokens]
            for token in tokens:
                if token not in known:
                    strange.setdefault(token, []).append(utt_id)
        if strange:
            _settle_unknown(split, strange, unknown_symbols)
    return made


def _settle_unknown(split: str, strange: Mapping[str, Sequence[str]], unknown: str) -> None:
    some = [
        f"{token!r} {len(utts)} times, such as in {utts[0]}"
        for token, utts in list(strange.items())[:_SHOWN]
    ]
    message = (
        f"{split} transcripts: {len(strange)} symbols are outside the vocabulary: "
        f"{'; '.join(some)}{'; ...' * (len(strange) > _SHOWN)}"
    )
    if unknown == "error":
        raise DataError(f"{message}; --unknown_symbols unk makes them {UNKNOWN}", "vocabulary")
    _logger.warning("%s: taken for %s", message, UNKNOWN)


def fitting(
    args: argparse.Namespace, split: str, found: ASRSet, tokens: Mapping[str, Sequence[int]]
) -> dict[str, int]:
    """Utterances that the model can be trained on, with durations in milliseconds for the batches.

    Raises:
        DataError: Others are there and ``--unfit`` is ``error``, or none is left.
    """
    every = seconds_of(found.speech)
    seconds = {utt_id: every[utt_id] for utt_id in found.text}
    transducer, ctc_weight = args.model == "transducer", args.model_conf.get("ctc_weight", 0.5)
    unfit = find_unfit(
        _frames(args, found, seconds),
        tokens,
        seconds,
        encoder=args.encoder,
        encoder_conf=args.encoder_conf,
        ctc=ctc_weight > 0,
        # The limit is training's: a long utterance of the valid set only takes memory.
        max_seconds=args.max_seconds if split == "train" else None,
        one_a_frame=transducer or ctc_weight > 0,
    )
    unfit.settle(found.speech.path, len(seconds), args.max_seconds, args.unfit)
    kept = {u: max(1, round(1000 * s)) for u, s in seconds.items() if u not in unfit}
    _logger.info("%s: %d utterances, %.2f h", split, len(kept), sum(kept.values()) / 3.6e6)
    return kept


def _frames(
    args: argparse.Namespace, found: ASRSet, seconds: Mapping[str, float]
) -> dict[str, int]:
    """Frames that enter the encoder."""
    if isinstance(found.speech, TokenStore):
        return {utt_id: found.speech.num_frames(utt_id) for utt_id in seconds}
    rate, conf = args.frontend_conf.get("fs", 16000), args.frontend_conf
    if str(rate).replace("k", "000") != str(found.speech.sample_rate):
        raise ConfigError(
            f"frontend_conf says fs {rate}, but the audio is read at {found.speech.sample_rate} Hz"
        )
    samples = found.speech.num_samples
    return {utt_id: frontend_frames(samples[utt_id], args.frontend, conf) for utt_id in seconds}


def check_resume(data_record: Mapping[str, Any], sets: Mapping[str, ASRSet], exp_dir: Path) -> None:
    """Refuse to go on with other data than an experiment was started with.

    Raises:
        CheckpointError: Naming what differs.
    """
    before = read_config(exp_dir).get("data_record") or {}
    told = {"vocabulary": (before.get("vocabulary"), data_record["vocabulary"])}
    for split, found in sets.items():
        then = dict(before.get(split) or {})
        told[f"{split} transcripts"] = (then.pop(TEXT, None), data_record[split][TEXT])
        check_speech(found.speech, then, exp_dir, same_data=True)
    for what, (then, now) in told.items():
        if then != now:
            raise CheckpointError(
                f"{exp_dir}: expected the {what} that it was trained with, {then}, found {now}; "
                "choose another --output_dir",
                stage="vocabulary" if what == "vocabulary" else "text",
            )
