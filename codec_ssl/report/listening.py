"""A listening test as one static page: blind players, ratings from 1 to 5, results to download.

The page holds every system's clip of some utterances and, hidden among them, the recording's. A
number that names the listener decides the order of sentences and clips. Nothing on the page tells
a clip's system, nor does a file's name; the key stands in the page's source, as the results need
it, so the test is blind to listeners who do not look for it there. All clips have one sample rate,
or the recording would be known by its treble; their levels are left as they are.

Letters: N samples.
"""

import base64
import hashlib
import html
import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from codec_ssl.data.audio import audio_info, read_audio
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.tables import write_atomic
from codec_ssl.data.wav_file import wav_bytes
from codec_ssl.errors import ConfigError, DataError

REFERENCE = "reference"
PAGE, CLIPS = "index.html", "clips"
_ID_LENGTH = 12
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PageOptions:
    """How a page is made.

    Attributes:
        title: Its heading.
        seed: Of file names, which must not tell the system.
        sample_rate: Of all clips, in Hz; None: the lowest of theirs.
        inline: Whether the clips are in the page itself, or in files beside it.
        open_reference: Whether each sentence also begins with the recording, named as such.
    """

    title: str = "Listening test"
    seed: int = 0
    sample_rate: int | None = None
    inline: bool = False
    open_reference: bool = False


@dataclass(frozen=True)
class Clip:
    """What one system made of an utterance: its ``id``, ``system``, and where the audio is."""

    id: str
    system: str
    source: str


def draw_utterances(
    reference: DataDir, systems: Mapping[str, DataDir], num: int, seed: int
) -> list[str]:
    """Draw utterances that all systems have.

    Args:
        reference: The recordings.
        systems: By name.
        num: How many; all there are, with a warning, where there are fewer.
        seed: Of the draw, which depends on nothing but it and the names of the utterances.

    Returns:
        Their ids, sorted.

    Raises:
        DataError: If there is none.
    """
    common = set(reference.utt_ids).intersection(*(each.utt_ids for each in systems.values()))
    if not common:
        sizes = {name: len(each) for name, each in {REFERENCE: reference, **systems}.items()}
        raise DataError(
            f"{reference.path}: expected utterances that all systems have, found none among {sizes}"
            " utterances",
            stage="synthesize",
        )
    if len(common) < num:
        _logger.warning("%d utterances were asked for, all systems have %d", num, len(common))
    order = np.random.default_rng(seed).permutation(len(common))
    return sorted(np.array(sorted(common))[order[:num]].tolist())


def write_page(
    out_dir: str | Path,
    reference: DataDir,
    systems: Mapping[str, DataDir],
    utt_ids: Sequence[str],
    options: PageOptions | None = None,
) -> str:
    """Write ``index.html``, and ``clips`` beside it where they are not in the page.

    Args:
        out_dir: The folder; the page and the clips that were in it are replaced.
        reference: The recordings, a hidden system of the name ``reference``.
        systems: By name.
        utt_ids: What is heard.
        options: How.

    Returns:
        The page's id, which its results carry: another if any clip is another.

    Raises:
        ConfigError: If a system is called ``reference``, or there are none or more than 25.
        BadAudio: If a clip cannot be read.
    """
    options, out_dir = options or PageOptions(), Path(out_dir)
    if REFERENCE in systems or not 0 < len(systems) < 26:
        raise ConfigError(
            f"expected from 1 to 25 systems, none of which is called {REFERENCE}, found "
            f"{', '.join(systems) or 'none'}"
        )
    dirs = {**systems, REFERENCE: reference}
    rate = options.sample_rate or min(
        audio_info(each.source(utt)).sample_rate for each in dirs.values() for utt in utt_ids
    )
    shutil.rmtree(out_dir / CLIPS, ignore_errors=True)
    sentences = []
    for utt_id in utt_ids:
        clips = [_clip(out_dir, dirs[system], system, utt_id, rate, options) for system in dirs]
        sentences.append(
            {
                "utterance": utt_id,
                "clips": [asdict(clip) for clip in clips],
                "original": clips[-1].source if options.open_reference else None,
            }
        )
    ids = [[sentence["utterance"], sentence["clips"]] for sentence in sentences]
    page_id = _digest(json.dumps([ids, options.open_reference]).encode())
    contents = {"id": page_id, "title": options.title, "sentences": sentences}
    out_dir.mkdir(parents=True, exist_ok=True)
    write_atomic(out_dir / PAGE, _page(options.title, contents))
    return page_id


def _clip(
    out_dir: Path, data_dir: DataDir, system: str, utt_id: str, rate: int, options: PageOptions
) -> Clip:
    wav, _ = read_audio(data_dir.source(utt_id), rate)
    content = wav_bytes(wav, rate)
    # With the system and the utterance: the same samples from two systems are two clips.
    clip_id = _digest(f"{options.seed} {system} {utt_id} ".encode() + content)
    if options.inline:
        source = f"data:audio/wav;base64,{base64.b64encode(content).decode()}"
        return Clip(clip_id, system, source)
    path = out_dir / CLIPS / f"{clip_id}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return Clip(clip_id, system, f"{CLIPS}/{path.name}")


def _page(title: str, contents: Mapping[str, object]) -> str:
    template = resources.files(__package__).joinpath("listening.html").read_text(encoding="utf-8")
    # Within a script, only "</" and "<!--" would end or change it.
    data = json.dumps(contents, ensure_ascii=False).replace("<", "\\u003c")
    return template.replace("<!--TITLE-->", html.escape(title)).replace("/*DATA*/", data)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_ID_LENGTH]
