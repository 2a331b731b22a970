"""Noisy sets by the command line that a recipe calls."""

import numpy as np
import pytest
import soundfile

from codec_ssl.bin import noisy_sets
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.data_dir_edits import combine
from codec_ssl.errors import ConfigError, DataError


@pytest.fixture
def folder(tmp_path):
    """Speech, noises and a room response, as data dirs."""
    rng = np.random.default_rng(0)
    for name, count in (("clean", 5), ("noises", 2), ("rooms", 1)):
        wav = {f"{name}{i}": str(tmp_path / f"{name}{i}.wav") for i in range(count)}
        for path in wav.values():
            soundfile.write(path, rng.uniform(-0.1, 0.1, 4000), 8000)
        DataDir.write(tmp_path / name, wav=wav, utt2spk=dict.fromkeys(wav, "s"))
    return tmp_path


def make(call, folder, *options):
    needed = ["--data_dir", folder / "clean", "--noises", folder / "noises"]
    call(noisy_sets, *needed, "--out", folder / "out", *options)


def test_jobs_share_a_set_of_each_ratio(folder, call, capsys):
    options = ["--snrs", "-5 0 7.5", "--num_jobs", 2, "--part_utterances", 2]
    make(call, folder, *options, "--job", 1, "--finalize", "false")
    with pytest.raises(DataError, match="1 missing"):
        make(call, folder, *options, "--job", 1, "--finalize", "true")
    make(call, folder, *options, "--job", 2)
    assert capsys.readouterr().out == ""
    make(call, folder, *options, "--finalize", "true")
    names = ("snr-5", "snr0", "snr7.5")
    shown = "".join(f"{folder}/out/{name}: 5 utterances\n" for name in names)
    assert capsys.readouterr().out == shown
    assert len(list((folder / "out").glob("snr*/wav/*.flac"))) == 15


def test_a_range_in_a_room_is_one_data_dir(folder, call, capsys):
    make(call, folder, "--snr_range", "10 10", "--rooms", folder / "rooms", "--seed", 3)
    assert capsys.readouterr().out == f"{folder}/out: 5 utterances\n"
    made = DataDir(folder / "out")
    assert made.labels("room") == {f"noisy-clean{i}": "rooms0" for i in range(5)}
    both = combine([DataDir(folder / "clean"), made], folder / "both")
    assert len(both) == 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "either ratios or a range"),
        (["--snrs", "0 loud"], "--snrs: expected numbers in dB, found '0 loud'"),
        (["--snr_range", "5"], '--snr_range: expected "LOW HIGH" in dB'),
    ],
)
def test_wrong_options_are_errors(folder, call, options, message):
    with pytest.raises(ConfigError, match=message):
        make(call, folder, *options)
