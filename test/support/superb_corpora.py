"""The corpora of SUPERB's tasks in their public layouts, tiny: noise stands for all speech.

Their readers open no audio but Speech Commands' background noises; a recipe that runs on them does.
"""

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from codec_ssl.data.wav_file import write_wav

RATE = 16000


def noise(path: Path, seconds: float = 0.4) -> None:
    """A file of noise, another one for each name."""
    random = np.random.default_rng(list(path.name.encode()))
    write_wav(path, 0.1 * random.standard_normal(int(seconds * RATE)), RATE)


def lines(path: Path, *rows: str) -> None:
    """A text file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")


def speech_commands(root: Path) -> Path:
    """Version 0.01: three speakers of two words, two noises of 2.5 s."""
    train = root / "speech_commands_v0.01"
    for word in ("yes", "bed"):
        for speaker in ("0a", "0b", "0c"):
            noise(train / word / f"{speaker}_nohash_0.wav")
    lines(train / "validation_list.txt", "yes/0b_nohash_0.wav", "bed/0b_nohash_0.wav")
    lines(train / "testing_list.txt", "yes/0c_nohash_0.wav", "bed/0c_nohash_0.wav")
    for name in ("running_tap", "white_noise"):
        noise(train / "_background_noise_" / f"{name}.wav", 2.5)
    test = root / "speech_commands_test_set_v0.01"
    for name in ("yes/0c_nohash_0", "_unknown_/0c_nohash_1", "_silence_/3"):
        noise(test / f"{name}.wav")
    return root


def fluent(root: Path) -> Path:
    """Two clips a part, of two intents."""
    folder = root / "fluent_speech_commands_dataset"
    header = ["", "path", "speakerId", "transcription", "action", "object", "location"]
    for part in ("train", "valid", "test"):
        rows = [
            [0, "", "a", "Turn the lights, please", "activate", "lights", "washroom"],
            [1, "", "b", "Pause", "deactivate", "music", "none"],
        ]
        for row in rows:
            row[1] = f"wavs/speakers/{row[2]}/{part}-{row[0]}.wav"
            noise(folder / row[1])
        path = folder / "data" / f"{part}_data.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *rows])
    return root


def voxceleb1(root: Path, speakers: int = 6) -> Path:
    """Speakers for training, and two of the trials; three clips each, one in each part."""
    trained = [f"id{10000 + number}" for number in range(1, speakers + 1)]
    everyone = [*trained, "id10270", "id10309"]
    names = [f"{speaker}/vid/0000{number}.wav" for speaker in everyone for number in (1, 2, 3)]
    for name in names:
        place = "test" if name[2:7] in ("10270", "10309") else "dev"
        noise(root / place / "wav" / name)
    lines(root / "iden_split.txt", *(f"{name[-5]} {name}" for name in names))
    first, second, other = "id10270/vid/00001.wav", "id10270/vid/00002.wav", names[-1]
    lines(root / "veri_test2.txt", f"1 {first} {second}", f"0 {first} {other}")
    return root


def librimix(root: Path) -> Path:
    """One mixture a part, as the scripts that the benchmark names leave Kaldi's files."""
    for part in ("train", "dev", "test"):
        name = f"100-1-0001_200-2-0002_{part}"
        audio = root / "Libri2Mix" / "wav16k" / "max" / part / "mix_both" / f"{name}.wav"
        noise(audio, 2.0)
        folder = root / "data" / part
        turns = [("100", 0.1, 1.2), ("200", 0.5, 1.9)]
        utts = [f"{speaker}_{name}" for speaker, _, _ in turns]
        lines(folder / "wav.scp", f"{name} {audio}")
        lines(folder / "utt2spk", *(f"{u} {t[0]}" for u, t in zip(utts, turns, strict=True)))
        segments = (f"{u} {name} {t[1]} {t[2]}" for u, t in zip(utts, turns, strict=True))
        lines(folder / "segments", *segments)
        lines(
            folder / "rttm",
            *(f"SPEAKER {name} 1 {b} {e - b:.3f} <NA> <NA> {s} <NA> <NA>" for s, b, e in turns),
        )
    return root


def iemocap(
    root: Path, emotions: Iterable[str] = ("neu", "hap", "exc", "ang", "sad", "fru")
) -> Path:
    """Two dialogs a session, each with a turn of either actor for each emotion."""
    for number in range(1, 6):
        session = root / "IEMOCAP_full_release" / f"Session{number}"
        for kind in ("impro01", "script01_1"):
            dialog = f"Ses0{number}F_{kind}"
            rows = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
            for place, emotion in enumerate(emotions):
                for sex in "FM":
                    turn = f"{dialog}_{sex}{place:03d}"
                    noise(session / "sentences" / "wav" / dialog / f"{turn}.wav")
                    rows += [f"[6.2901 - 8.2357]\t{turn}\t{emotion}\t[2.5000, 2.5000, 2.5000]"]
                    rows += ["C-E2:\tNeutral;\t()", ""]
            lines(session / "dialog" / "EmoEvaluation" / f"{dialog}.txt", *rows)
    return root


SNIPS = {
    "Ivy-snips-train-0": "BOS play Zoë's hit by Björk . EOS\t"
    "O O B-track I-track O B-artist O PlayMusic",
    "Amy-snips-valid-0": 'BOS rate "Æon flux" three & EOS\t'
    "O O B-object I-object B-rating O RateBook",
    "Emma-snips-test-0": "BOS book a table EOS\tO O O O BookRestaurant",
}


def snips(root: Path) -> Path:
    """A command a set, and one in training of a speaker who is not for that."""
    folder = root / "SNIPS"
    for name in (*SNIPS, "Emma-snips-train-0"):
        noise(folder / name.split("-")[2] / f"{name}.wav")
    stray = SNIPS["Emma-snips-test-0"]
    rows = {**SNIPS, "Emma-snips-train-0": stray}
    lines(folder / "all.iob.snips.txt", *(f"{name} {row}" for name, row in rows.items()))
    return root


def quesst14(root: Path) -> Path:
    """Three documents, one of another language; two queries a set, one of which occurs."""
    folder = root / "quesst14Database"
    docs = [f"quesst14_0000{number}" for number in (1, 2, 3)]
    languages = ("nnenglish", "nnenglish", "basque")
    scoring = folder / "scoring"
    listed = (f"q/Audio/{d}.wav {lang}" for d, lang in zip(docs, languages, strict=True))
    lines(scoring / "language_key_utterances.lst", *listed)
    for doc in docs:
        noise(folder / "Audio" / f"{doc}.wav")
    for name in ("dev", "eval"):
        queries = [f"quesst14_{name}_000{number}" for number in (1, 2)]
        for query in queries:
            noise(folder / f"{name}_queries" / f"{query}.wav")
        keys = (f"q/{name}_queries/{query}.wav nnenglish" for query in queries)
        lines(scoring / f"language_key_{name}.lst", *keys)
        row = "LEXEME {} 1 0.000 5.120 {} lex <NA> 0.5"
        lines(
            scoring / f"groundtruth_quesst14_{name}" / f"quesst14_{name}.rttm",
            "SPKR-INFO quesst14_00001 1 <NA> <NA> <NA> unknown x <NA>",
            *(row.format(doc, queries[0]) for doc in docs[1:]),
        )
    return root
