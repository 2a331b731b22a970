"""Train, valid and test of a corpus that comes without them: drawn, or by published lists."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from codec_ssl.data.splits import Unit, assign
from codec_ssl.data.tables import numbered_lines
from codec_ssl.errors import DataError

# The lists of Polyak et al. 2021 have a twentieth of VCTK for valid and for test.
FRACTIONS = (0.9, 0.05, 0.05)
PARTS = ("train", "valid", "test")
# What the authors of Polyak et al. 2021 call the lists in their repository speech-resynthesis.
_LISTS = {"valid": "val.txt", "test": "test.txt"}
_AUDIO = "audio"


@dataclass(frozen=True)
class Partition:
    """How the utterances of a corpus are divided.

    Attributes:
        fractions: Shares of train, valid and test, drawn from each speaker's utterances, so that
            all speakers are in each of them.
        seed: Of what is drawn.
        lists: In place of drawing: a folder with ``val.txt`` and ``test.txt``, one utterance or
            file a line, or the manifests of speech-resynthesis; all others are for training.
    """

    fractions: tuple[float, float, float] = FRACTIONS
    seed: int = 0
    lists: str | Path | None = None

    def divide(self, speakers: Mapping[str, str]) -> dict[str, list[str]]:
        """Return the sorted utterances of each part.

        Args:
            speakers: Speaker of each utterance.

        Raises:
            DataError: If the fractions don't sum to 1, or a list is missing, malformed, names
                nothing of the corpus, or what another one names.
        """
        if self.lists is not None:
            return _by_lists(Path(self.lists), speakers)
        units = [Unit(utt, speaker, (utt,)) for utt, speaker in speakers.items()]
        return assign(units, dict(zip(PARTS, self.fractions, strict=True)), self.seed)


def _by_lists(folder: Path, speakers: Mapping[str, str]) -> dict[str, list[str]]:
    part_of: dict[str, str] = {}
    for part, name in _LISTS.items():
        listed = [utt for utt in _read_list(folder / name) if utt in speakers]
        if not listed:
            raise DataError(f"{folder / name}: expected utterances of the corpus, found none")
        for utt in listed:
            if part_of.setdefault(utt, part) != part:
                raise DataError(f"{folder}: {utt} is in the lists of valid and test")
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    for utt in sorted(speakers):
        parts[part_of.get(utt, "train")].append(utt)
    return parts


def _read_list(path: Path) -> list[str]:
    """Utterances of a list; of a file's name, what stands before the microphone and the ending."""
    return [_utt_id(_name(line, f"{path}:{number}")) for number, line in numbered_lines(path)]


def _name(line: str, where: str) -> str:
    if not line.lstrip().startswith("{"):
        return line.strip()
    try:
        return str(ast.literal_eval(line)[_AUDIO])
    except (ValueError, SyntaxError, KeyError, TypeError) as error:
        raise DataError(
            f"{where}: expected an utterance, or a record with {_AUDIO!r}, found {line[:60]!r}"
        ) from error


def _utt_id(name: str) -> str:
    return Path(name).stem.removesuffix("_mic1").removesuffix("_mic2")
