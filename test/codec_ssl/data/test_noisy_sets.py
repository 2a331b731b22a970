"""Noisy data dirs against numpy, whatever the jobs."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy import signal

from codec_ssl.data.alignment import Segment
from codec_ssl.data.audio import read_audio
from codec_ssl.data.audio_folder import read_manifest
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.noise_clips import NoiseClips, RoomResponses
from codec_ssl.data.noisy_sets import Conditions, NoisySets
from codec_ssl.errors import ConfigError, DataError

REAL = Path(__file__).parents[4] / "shared" / "data" / "real_audio"
RATE = 8000
COUNT = 7


def write(root, name, wavs, rate=RATE, **tables):
    """A data dir of floating-point WAVs."""
    (root / name).mkdir(parents=True)
    wav = {}
    for utt_id, samples in wavs.items():
        wav[utt_id] = str(root / name / f"{utt_id.replace('/', '_')}.wav")
        soundfile.write(wav[utt_id], samples, rate, subtype="FLOAT")
    return DataDir.write(root / name, wav=wav, utt2spk=dict.fromkeys(wav, "s"), **tables)


def tone(hz, count=2000, level=0.1):
    return level * np.sin(2 * np.pi * hz * np.arange(count) / RATE).astype(np.float32)


@pytest.fixture
def clean(tmp_path):
    """Utterances of several lengths, one with a slash in its id, with all tables."""
    names = [*(f"u{index}" for index in range(1, COUNT)), "a/b"]
    wavs = {name: tone(200 + 50 * i, 2000 + 100 * i) for i, name in enumerate(names)}
    return write(
        tmp_path,
        "clean",
        wavs,
        text={name: f"text {name}" for name in names},
        labels={"lang": dict.fromkeys(names, "eng")},
        phones={"u1": [Segment(0.0, 0.1, "a")]},
    )


@pytest.fixture
def noises(tmp_path):
    rng = np.random.default_rng(0)
    clips = {f"n{i}": rng.uniform(-0.5, 0.5, n) for i, n in enumerate((500, 9000, 20000))}
    return NoiseClips(write(tmp_path, "noises", clips))


@pytest.fixture
def rooms(tmp_path):
    rng = np.random.default_rng(1)
    ringing = {f"r{i}": rng.standard_normal(800) * np.exp(-np.arange(800) / 90) for i in range(2)}
    return RoomResponses(write(tmp_path, "rooms", ringing))


def table(folder):
    with (folder / "mixtures.tsv").open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


def contents(folder):
    """Bytes of all that is written, by its place."""
    return {
        str(path.relative_to(folder)): path.read_bytes().replace(str(folder).encode(), b"ROOT")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def ratio(part, rest):
    return 10 * np.log10(np.sum(part**2) / np.sum(rest**2))


def test_the_ratio_is_that_of_the_written_files(clean, noises, tmp_path):
    sets = NoisySets(tmp_path / "out", clean, noises, Conditions((0, 5.5, -5)))
    sets.run()
    made = {each.path.name: each for each in sets.finalize()}
    assert list(made) == ["snr0", "snr5.5", "snr-5"]
    for snr, noisy in zip((0, 5.5, -5), made.values(), strict=True):
        assert noisy.utt_ids == clean.utt_ids
        for utt_id in clean.utt_ids:
            speech, _ = soundfile.read(clean.wav_scp[utt_id])
            written, rate = soundfile.read(noisy.wav_scp[utt_id])
            assert rate == RATE and len(written) == len(speech)
            assert ratio(speech, written - speech) == pytest.approx(snr, abs=0.005)
        assert noisy.text == clean.text and noisy.phones == clean.phones
        assert noisy.labels("lang") == clean.labels("lang")
        assert set(noisy.labels("noise").values()) <= {"n0", "n1", "n2"}
        assert "room" not in noisy.label_names


def test_the_table_says_how_to_make_every_file(clean, noises, rooms, tmp_path):
    sets = NoisySets(tmp_path / "out", clean, noises, Conditions((3, 12), seed=4), rooms)
    sets.run()
    made = {each.path.name: each for each in sets.finalize()}
    rows = table(tmp_path / "out")
    assert len(rows) == 2 * COUNT
    for row in rows:
        speech, _ = soundfile.read(clean.wav_scp[row["utt_id"]])
        response, _ = soundfile.read(rooms.data_dir.wav_scp[row["room"]])
        reverberant = signal.convolve(speech, response, method="direct")[
            np.argmax(np.abs(response)) :
        ][: len(speech)]
        reverberant *= np.linalg.norm(speech) / np.linalg.norm(reverberant)
        clip, _ = soundfile.read(noises.data_dir.wav_scp[row["noise"]])
        first = round(float(row["start"]) * RATE)
        noise = np.tile(clip, 9)[first : first + len(speech)]
        expected = float(row["speech_gain"]) * reverberant + float(row["noise_gain"]) * noise
        written, _ = soundfile.read(made[row["set"]].wav_scp[row["utt_id"]])
        np.testing.assert_allclose(written, expected, atol=2**-15)
        assert float(row["snr"]) == pytest.approx(float(row["set"][3:]), abs=0.005)
        assert made[row["set"]].labels("room")[row["utt_id"]] == row["room"]


def test_the_same_seed_gives_the_same_bytes_whatever_the_jobs(
    clean, noises, rooms, tmp_path, in_parallel
):
    def make(name, jobs, seed=0, part_utterances=2):
        conditions = Conditions((0, 10), seed=seed)
        path = tmp_path / name / "out"

        def sets():
            return NoisySets(path, clean, noises, conditions, rooms, part_utterances)

        assert not any(in_parallel(*(lambda j=j: sets().run(j, jobs) for j in range(1, jobs + 1))))
        sets().finalize()
        return contents(path)

    alone = make("alone", 1)
    assert make("again", 1) == alone
    assert make("three", 3) == alone
    others = make("larger", 2, part_utterances=5)
    audio = [name for name in alone if name.endswith(".flac")]
    assert len(audio) == 2 * COUNT
    assert all(others[name] == alone[name] for name in [*audio, "mixtures.tsv", "snr0/wav.scp"])
    seeded = make("seeded", 1, seed=1)
    assert all(seeded[name] != alone[name] for name in audio)


def test_rooms_leave_the_noises_and_all_ratios_share_them(clean, noises, rooms, tmp_path):
    made = {}
    for name, some in (("dry", None), ("wet", rooms)):
        sets = NoisySets(tmp_path / name, clean, noises, Conditions((0, 10)), some)
        sets.run()
        dirs = sets.finalize()
        assert dirs[0].labels("noise") == dirs[1].labels("noise")
        made[name] = dirs[0].labels("noise")
    assert made["dry"] == made["wet"]
    assert len(set(made["dry"].values())) > 1


def test_a_range_is_one_data_dir_with_ratios_and_ids_of_its_own(clean, noises, tmp_path):
    conditions = Conditions(snr_range=(5, 15), prefix="noisy-")
    sets = NoisySets(tmp_path / "out", clean, noises, conditions)
    sets.run()
    (made,) = sets.finalize()
    assert made.path == tmp_path / "out"
    assert made.utt_ids == [f"noisy-{utt_id}" for utt_id in clean.utt_ids]
    assert made.text["noisy-u1"] == "text u1"
    ratios = [float(row["snr"]) for row in table(tmp_path / "out")]
    assert len(set(ratios)) == COUNT and 5 <= min(ratios) < max(ratios) <= 15
    for row in table(tmp_path / "out"):
        speech, _ = soundfile.read(clean.wav_scp[row["utt_id"].removeprefix("noisy-")])
        written, _ = soundfile.read(made.wav_scp[row["utt_id"]])
        assert ratio(speech, written - speech) == pytest.approx(float(row["snr"]), abs=0.005)


def test_pieces_of_a_recording_become_files_of_their_own(noises, tmp_path):
    recording = np.random.default_rng(5).uniform(-0.1, 0.1, 8000)
    wav = {"r": str(tmp_path / "r.wav")}
    soundfile.write(wav["r"], recording, RATE, subtype="FLOAT")
    segments = {"u1": ("r", 0.125, 0.5), "u2": ("r", 0.5, None)}
    speakers = {"u1": "s", "u2": "s"}
    clean = DataDir.write(tmp_path / "cut", wav=wav, utt2spk=speakers, segments=segments)
    sets = NoisySets(tmp_path / "out", clean, noises, Conditions((5,)))
    sets.run()
    (made,) = sets.finalize()
    assert list(made.wav_scp) == ["u1", "u2"] and not made.segments
    for utt_id, part in (("u1", recording[1000:4000]), ("u2", recording[4000:])):
        written, _ = soundfile.read(made.wav_scp[utt_id])
        assert ratio(part, written - part) == pytest.approx(5, abs=0.005)


def test_an_equal_range_is_one_ratio(clean, noises, tmp_path):
    sets = NoisySets(tmp_path / "out", clean, noises, Conditions(snr_range=(10, 10)))
    sets.run()
    sets.finalize()
    for row in table(tmp_path / "out"):
        assert float(row["snr"]) == pytest.approx(10, abs=0.005)


def test_a_killed_job_goes_on_at_its_first_missing_part(clean, noises, tmp_path, monkeypatch):
    def sets():
        return NoisySets(tmp_path / "out", clean, noises, Conditions((0,)), part_utterances=2)

    sets().run()
    whole = contents(tmp_path / "out")
    parts = sorted((tmp_path / "out").glob("part-*"))
    assert len(parts) == 4
    parts[2].unlink()
    with pytest.raises(DataError, match=r"1 missing, the first part-00002.*stage 'noise'"):
        sets().finalize()
    drawn = []
    draw = noises.draw
    monkeypatch.setattr(noises, "draw", lambda *given: drawn.append(1) or draw(*given))
    sets().run()
    assert len(drawn) == 2
    assert contents(tmp_path / "out") == whole
    with pytest.raises(DataError, match=r"found another noisy_sets.json"):
        NoisySets(tmp_path / "out", clean, noises, Conditions((0,), seed=1), part_utterances=2)


def test_silent_and_broken_utterances_are_errors_or_left_out_and_told(noises, tmp_path):
    wavs = {"ok": tone(300), "silent": np.zeros(2000), "nan": np.full(2000, np.nan)}
    clean = write(tmp_path, "bad", wavs)
    sets = NoisySets(tmp_path / "out", clean, noises, Conditions((0,)))
    sets.run()
    with pytest.raises(DataError, match=r"2 of 3 utterances \(1 nonfinite, 1 silent\).*nan.wav"):
        sets.finalize()
    (made,) = sets.finalize(max_bad_rate=0.7)
    assert made.utt_ids == ["ok"]
    lines = (tmp_path / "out" / "bad_audio.tsv").read_text().splitlines()
    assert [line.split("\t")[2] for line in lines[1:]] == ["nonfinite", "silent"]


def test_a_silent_noise_ends_the_run_with_its_name(clean, tmp_path):
    noises = NoiseClips(write(tmp_path, "mute", {"hush": np.zeros(9000)}))
    with pytest.raises(DataError, match=r"noise hush .*leave this clip out"):
        NoisySets(tmp_path / "out", clean, noises, Conditions((0,))).run()


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({}, "either ratios or a range"),
        ({"snrs": (1,), "snr_range": (0, 1)}, "either ratios or a range"),
        ({"snrs": (1, 1.0)}, "each ratio once"),
        ({"snrs": (float("nan"),)}, "from -100 to 100"),
        ({"snr_range": (5, 1)}, "range LOW HIGH"),
        ({"snrs": (1,), "prefix": "a b"}, "prefix"),
    ],
)
def test_conditions_that_cannot_be_are_errors(conditions, message):
    with pytest.raises(ConfigError, match=message):
        Conditions(**conditions)


@pytest.mark.skipif(not REAL.is_dir(), reason="no real recordings here")
def test_recorded_speech_in_recorded_noises_and_rooms(tmp_path):
    recordings = read_manifest(REAL / "manifest.tsv", REAL)

    def chosen(name, corpus, label=None, count=99):
        found = [
            each
            for each in recordings
            if each.labels["corpus"] == corpus and label in (None, each.labels.get("label"))
        ][:count]
        wav = {each.utt_id: each.path for each in found}
        return DataDir.write(tmp_path / name, wav=wav, utt2spk={utt: utt for utt in wav})

    clean = chosen("clean", "librispeech", count=4)
    noises = NoiseClips(chosen("noise", "noise_rir", "noise"))
    rooms = RoomResponses(chosen("rir", "noise_rir", "rir"))
    assert len(noises.data_dir) > 5 and len(rooms.data_dir) > 3
    sets = NoisySets(tmp_path / "out", clean, noises, Conditions((0, 20)))
    sets.run()
    for snr, noisy in zip((0, 20), sets.finalize(), strict=True):
        for row in table(tmp_path / "out"):
            if row["set"] == noisy.path.name:
                speech = float(row["speech_gain"]) * np.float64(
                    read_audio(clean.wav_scp[row["utt_id"]])[0]
                )
                written, _ = soundfile.read(noisy.wav_scp[row["utt_id"]])
                assert ratio(speech, written - speech) == pytest.approx(snr, abs=0.005)
    wet = NoisySets(tmp_path / "wet", clean, noises, Conditions((10,)), rooms)
    wet.run()
    (made,) = wet.finalize()
    for utt_id in clean.utt_ids:
        speech, _ = read_audio(clean.wav_scp[utt_id])
        heard, _ = read_audio(made.wav_scp[utt_id])
        assert len(heard) == len(speech)
        # Nothing moves by more than 10 ms, though a reflection may be louder than the direct sound.
        likeness = signal.correlate(heard, speech, mode="full", method="fft")
        assert abs(int(np.argmax(likeness)) - (len(speech) - 1)) <= 160
