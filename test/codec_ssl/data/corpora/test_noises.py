"""Corpora of noises and room responses: small copies of their layouts on disk become data dirs."""

import sys
from pathlib import Path

import numpy as np
import pytest
from lhotse.recipes.rir_noise import prepare_rir_noise

from codec_ssl.bin import prepare_data
from codec_ssl.data.corpora import demand, musan, rirs_noises
from codec_ssl.data.wav_file import write_wav
from codec_ssl.errors import DataError

MUSAN = (
    "noise/free-sound/noise-free-sound-0000.wav",
    "noise/sound-bible/noise-sound-bible-0003.wav",
    "music/jamendo/music-jamendo-0001.wav",
    "speech/librivox/speech-librivox-0002.wav",
)
RIRS = (
    "pointsource_noises/noise-free-sound-0000.wav",
    "real_rirs_isotropic_noises/RVB2014_type1_rir_largeroom1_far_angla.wav",
    "real_rirs_isotropic_noises/RVB2014_type1_noise_largeroom1_1.wav",
    "real_rirs_isotropic_noises/air_type1_air_binaural_aula_carolina_1_1_90_3.wav",
    "simulated_rirs/smallroom/Room001/Room001-00001.wav",
    "simulated_rirs/largeroom/Room001/Room001-00001.wav",
)


def lay(root, files):
    """Files that are no audio: readers open none."""
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(b"")
    return root


def listed(made):
    return {data_dir.path.name: data_dir.utt_ids for data_dir in made}


@pytest.mark.parametrize("below", ["", "musan"])
def test_musan_is_a_data_dir_a_part(tmp_path, below):
    lay(tmp_path / "musan", [*MUSAN, "music/jamendo/ANNOTATIONS", "README"])
    made = musan.prepare(tmp_path / below, tmp_path / "out")
    assert listed(made) == {
        "noise": ["noise-free-sound-0000", "noise-sound-bible-0003"],
        "music": ["music-jamendo-0001"],
        "speech": ["speech-librivox-0002"],
    }
    assert made[0].labels("source")["noise-sound-bible-0003"] == "sound-bible"
    assert Path(made[1].wav_scp["music-jamendo-0001"]) == tmp_path / "musan" / MUSAN[2]
    with pytest.raises(DataError, match=r"gone.noise: expected WAVs of MUSAN, found no such"):
        musan.prepare(tmp_path / "gone", tmp_path / "out")


def test_rirs_noises_keeps_equal_names_of_rooms_apart(tmp_path):
    made = rirs_noises.prepare(lay(tmp_path / "RIRS_NOISES", RIRS), tmp_path / "out")
    assert listed(made) == {
        "point_noise": ["noise-free-sound-0000"],
        "iso_noise": ["RVB2014_type1_noise_largeroom1_1"],
        "real_rir": [
            "RVB2014_type1_rir_largeroom1_far_angla",
            "air_type1_air_binaural_aula_carolina_1_1_90_3",
        ],
        "sim_rir": ["large-Room001-00001", "small-Room001-00001"],
    }
    assert made[3].labels("size")["small-Room001-00001"] == "small"
    assert "size" not in made[2].label_names
    with pytest.raises(DataError, match="expected WAVs in simulated_rirs, found none"):
        rirs_noises.prepare(tmp_path / "out", tmp_path / "o", ["sim_rir"])


def test_rirs_noises_agrees_with_lhotse_which_lacks_the_air_database(tmp_path):
    files = [file for file in RIRS if "_air_" not in file]
    for file in files:
        write_wav(tmp_path / file, np.ones(9), 16000)
    # lhotse wants a folder of every size.
    (tmp_path / "simulated_rirs/mediumroom").mkdir()
    found = prepare_rir_noise(tmp_path)
    assert listed(rirs_noises.prepare(tmp_path, tmp_path / "out")) == {
        part: sorted(each.id for each in manifests["recordings"])
        for part, manifests in found.items()
    }


def test_demand_is_a_place_an_utterance_by_one_microphone(tmp_path, monkeypatch, capsys):
    places = [f"{p}/ch{n:02d}.wav" for p in ("DKITCHEN", "TBUS") for n in (1, 2)]
    lay(tmp_path / "demand_16k", places)
    options = ["--corpus_dir", str(tmp_path), "--out_dir", str(tmp_path / "out")]
    command = ["prepare_data", "demand", *options, "--microphone", "2"]
    monkeypatch.setattr(sys, "argv", command)
    prepare_data.main()
    assert "demand: 2 utterances" in capsys.readouterr().out
    (made,) = demand.prepare(tmp_path, tmp_path / "out")
    assert made.labels("kind") == {"DKITCHEN": "D", "TBUS": "T"}
    assert made.wav_scp["TBUS"].endswith("demand_16k/TBUS/ch01.wav")
    with pytest.raises(DataError, match="from 1 to 16, found 17"):
        demand.prepare(tmp_path, tmp_path / "out", 17)
    with pytest.raises(DataError, match="found none"):
        demand.prepare(tmp_path, tmp_path / "out", 3)
    lay(tmp_path / "demand_48k", places)
    with pytest.raises(DataError, match="each place once, found 4"):
        demand.prepare(tmp_path, tmp_path / "out")


def test_musan_by_the_command_takes_the_parts_that_are_asked_for(tmp_path, monkeypatch, capsys):
    lay(tmp_path, MUSAN[:2])
    options = ["--corpus_dir", str(tmp_path), "--out_dir", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["prepare_data", "musan", *options, "--parts", "noise"])
    prepare_data.main()
    assert capsys.readouterr().out == f"{tmp_path}/out/noise: 2 utterances\n"
