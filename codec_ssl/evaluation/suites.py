"""Suites of evaluations: which recipe runs each, and which of its tasks the corpora here allow."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from codec_ssl.errors import ConfigError

SCALES = ("public", "mini")


@dataclass(frozen=True)
class Corpus:
    """A corpus that an environment variable names, as recipes' ``local/data.sh`` take it.

    Attributes:
        variable: The variable.
        holds: What its folder has to hold, as globs, one of each entry; none: it is a file.
    """

    variable: str
    holds: tuple[tuple[str, ...], ...] = ()

    def lack(self, environment: Mapping[str, str]) -> str | None:
        """What is missing, in words; None where all of it is there."""
        given = environment.get(self.variable)
        if not given:
            return f"{self.variable} is not set"
        if not Path(given).exists():
            return f"{self.variable}={given} is not there"
        for alternatives in self.holds:
            if not any(next(Path(given).glob(glob), None) for glob in alternatives):
                return f"{self.variable}={given} has no {' or '.join(alternatives)}"
        return None


def _folder(variable: str, *globs: str, inside: str | None = None) -> Corpus:
    """A corpus of several parts; ``inside`` is a folder of its own that may be given or not."""
    return Corpus(
        variable, tuple((glob, f"{inside}/{glob}") if inside else (glob,) for glob in globs)
    )


_VOXCELEB = _folder("VOXCELEB1", "*/wav/id*", "iden_split.txt")
_TRIALS = Corpus("VOXCELEB1", (*_VOXCELEB.holds, ("veri_test2.txt", "voxceleb1_test_v2.txt")))
_LIBRISPEECH = _folder(
    "LIBRISPEECH", "train-clean-100", "dev-clean", "test-clean", inside="LibriSpeech"
)
_SESSIONS = [f"Session{number}" for number in range(1, 6)]


@dataclass(frozen=True)
class Suite:
    """Tasks that one recipe runs.

    Attributes:
        name: Of the suite.
        recipe: Its folder in the repository; None: the suite needs none.
        tasks: Corpora that each task needs; the same corpora stand together.
    """

    name: str
    recipe: str | None
    tasks: Mapping[str, tuple[Corpus, ...]]

    def lacks(self, environment: Mapping[str, str]) -> dict[str, str | None]:
        """What each task lacks, None for those that can run."""
        return {
            task: next((lack for each in corpora if (lack := each.lack(environment))), None)
            for task, corpora in self.tasks.items()
        }

    def groups(self, tasks: list[str]) -> list[list[str]]:
        """Tasks that share their corpora, and so what is made of them, together."""
        found: dict[frozenset[str], list[str]] = {}
        for task in tasks:
            audio = frozenset(each.variable for each in self.tasks[task] if each.holds)
            found.setdefault(audio, []).append(task)
        return list(found.values())


_SUITES = {
    ("superb", "public"): Suite(
        "superb",
        "egs2/superb/superb1",
        {
            "pr": (_LIBRISPEECH, Corpus("LEXICON")),
            "asr": (_LIBRISPEECH,),
            "ks": (
                _folder(
                    "SPEECH_COMMANDS",
                    "speech_commands_v0.01",
                    "speech_commands_test_set_v0.01",
                    inside="SpeechCommands1",
                ),
            ),
            "qbe": (_folder("QUESST14", "Audio", "scoring", inside="quesst14Database"),),
            "sid": (_VOXCELEB,),
            "sv": (_TRIALS,),
            "sd": (_folder("LIBRIMIX", *(f"{n}/wav.scp" for n in ("train", "dev", "test"))),),
            "er": (_folder("IEMOCAP", *_SESSIONS, inside="IEMOCAP_full_release"),),
            "ic": (_folder("FLUENT", "data", "wavs", inside="fluent_speech_commands_dataset"),),
            "sf": (_folder("AUDIO_SNIPS", "all.iob.snips.txt", inside="SNIPS"),),
        },
    ),
    ("superb", "mini"): Suite(
        "superb",
        "egs2/mini/superb1",
        dict.fromkeys(("pr", "asr", "ks", "qbe", "sid", "sv", "sd"), ()),
    ),
    ("hear", "public"): Suite(
        "hear",
        "egs2/audioset/hear1",
        {
            "nsynth_pitch": (
                _folder("NSYNTH", *(f"nsynth-{part}" for part in ("train", "valid", "test"))),
            ),
            "speech_commands": (
                _folder(
                    "SPEECH_COMMANDS",
                    "speech_commands_v0.02",
                    "speech_commands_test_set_v0.02",
                    inside="SpeechCommands2",
                ),
            ),
            "crema_d": (_folder("CREMA_D", "AudioWAV"),),
            "fsd50k": (_folder("FSD50K", "FSD50K.ground_truth"),),
            "esc50": (_folder("ESC50", "meta/esc50.csv", inside="ESC-50-master"),),
            "gtzan": (
                Corpus("GTZAN", (("blues", "genres*/blues", "Data/genres_original/blues"),)),
            ),
        },
    ),
    ("hear", "mini"): Suite(
        "hear",
        "egs2/mini/hear1",
        dict.fromkeys(
            ("notes_pitch", "notes_instrument", "events", "scenes", "keywords", "speakers"), ()
        ),
    ),
    ("probe", "mini"): Suite("probe", None, dict.fromkeys(("phone", "speaker", "keyword"), ())),
}
NAMES = tuple(dict.fromkeys(name for name, _ in _SUITES))


def get_suite(name: str, scale: str) -> Suite:
    """A suite on the public corpora, or on the embedded one.

    Raises:
        ConfigError: There is no such suite of that scale.
    """
    if (name, scale) not in _SUITES:
        there = [of for suite, of in _SUITES if suite == name]
        raise ConfigError(f"--suite {name}: expected --scale {' or '.join(there)}, found {scale}")
    return _SUITES[name, scale]
