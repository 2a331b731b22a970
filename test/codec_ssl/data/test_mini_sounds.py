"""Rendered sounds: in tune, each class its own, the same bytes every time."""

from pathlib import Path

import numpy as np
import pytest

from codec_ssl.data import mini_events, mini_notes, mini_sounds
from codec_ssl.data.audio import read_audio
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError

RATE = mini_sounds.SAMPLE_RATE


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sounds")
    mini_sounds.make(folder, "ci")
    return folder


@pytest.mark.parametrize("instrument", ["bowed", "brass", "flute", "plucked", "reed"])
def test_a_note_has_its_pitch(instrument: str):
    wav = mini_notes.render(instrument, 57, 1.0, RATE, np.random.default_rng(0))
    spectrum = np.abs(np.fft.rfft(wav * np.hanning(len(wav)), 1 << 17))
    frequency = np.fft.rfftfreq(1 << 17, 1 / RATE)
    near = (frequency > 180) & (frequency < 260)
    peak = frequency[near][spectrum[near].argmax()]
    # A3 is 220 Hz; takes are tuned within 10 cents, vibrato adds some.
    assert abs(1200 * np.log2(peak / 220)) < 45
    assert np.abs(wav).max() <= 0.7


def test_plucked_notes_die_away_and_held_ones_do_not():
    rng = np.random.default_rng(0)
    shares = {}
    for name in ("plucked", "organ"):
        wav = mini_notes.render(name, 60, 1.0, RATE, rng)
        first, last = np.square(wav[1200:6000]).mean(), np.square(wav[-6000:-1200]).mean()
        shares[name] = last / first
    assert shares["plucked"] < 0.1 and shares["organ"] > 0.5


def test_every_event_sounds_and_no_two_are_alike():
    for event in mini_events.EVENTS:
        first, second = (
            mini_events.render(event, 1.0, RATE, np.random.default_rng(seed)) for seed in (0, 1)
        )
        assert len(first) == RATE and np.isfinite(first).all()
        assert 0.1 < np.abs(first).max() <= 0.7
        assert abs(np.corrcoef(first, second)[0, 1]) < 0.5


def test_the_data_dirs_have_what_the_tasks_ask_for(corpus: Path):
    notes = [DataDir(corpus / "notes" / split) for split in ("train", "valid", "test")]
    assert {p for d in notes for p in d.labels("pitch").values()} == {str(p) for p in range(48, 56)}
    assert {i for d in notes for i in d.labels("instrument").values()} == set(
        mini_notes.INSTRUMENTS
    )
    assert sum(map(len, notes)) == 8 * 8 * 2
    for number in range(5):
        fold = DataDir(corpus / "events" / f"fold{number:02d}")
        assert sorted(fold.labels("event").values()) == sorted(2 * list(mini_events.EVENTS))
    scenes = DataDir(corpus / "scenes/train")
    counts = {len(value.split()) for value in scenes.labels("events").values()}
    assert counts == {1, 2, 3}
    for data_dir in (*notes, scenes):
        wav, rate = read_audio(data_dir.source(data_dir.utt_ids[0]))
        assert rate == RATE and np.abs(wav).max() > 0.05


def test_the_same_seed_gives_the_same_bytes_whatever_else_is_made(corpus: Path, tmp_path: Path):
    mini_sounds.make(tmp_path, "ci", sets=["events"])
    for path in sorted((tmp_path / "wav/events").iterdir())[::10]:
        assert path.read_bytes() == (corpus / "wav/events" / path.name).read_bytes()
    assert not (tmp_path / "notes").exists()
    fold = "events/fold03/wav.scp"
    names = [{line.split()[0] for line in (folder / fold).open()} for folder in (tmp_path, corpus)]
    assert names[0] == names[1]


def test_an_unknown_size_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="huge"):
        mini_sounds.make(tmp_path, "huge")
