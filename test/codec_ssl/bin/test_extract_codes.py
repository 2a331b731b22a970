"""The command lines around a codec: codes of audio, audio of codes, codes compared."""

import numpy as np
import pytest
import soundfile

from codec_ssl.bin import compare_codes, decode_codes, extract_codes
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.data_dir_edits import subset
from codec_ssl.errors import ConfigError
from codec_ssl.report.results import read_results
from codec_ssl.tokens.store import TokenStore


@pytest.fixture
def arguments(tmp_path):
    import dac
    import torch

    torch.manual_seed(0)
    model = dac.DAC(
        encoder_dim=4,
        encoder_rates=[2, 4, 5, 8],
        decoder_dim=32,
        decoder_rates=[8, 5, 4, 2],
        n_codebooks=3,
        codebook_size=32,
        sample_rate=16000,
    )
    model.save(tmp_path / "codec.pth", package=False)
    rng = np.random.default_rng(0)
    wav = {}
    for number in range(4):
        wav[f"utt{number}"] = str(tmp_path / f"{number}.flac")
        soundfile.write(wav[f"utt{number}"], 0.1 * rng.standard_normal(2000 + number), 16000)
    DataDir.write(tmp_path / "data", wav=wav, utt2spk={utt: "s" for utt in wav})
    return [
        *("--codec", str(tmp_path / "codec.pth"), "--data_dir", str(tmp_path / "data")),
        *("--store", str(tmp_path / "store"), "--shard_utterances", "2"),
    ]


def test_jobs_then_finalize(call, arguments, tmp_path):
    for job in ("1", "2"):
        call(extract_codes, *arguments, "--job", job, "--num_jobs", "2")
    assert not (tmp_path / "store" / "meta.json").exists()
    call(extract_codes, *arguments, "--finalize", "true")
    store = TokenStore(tmp_path / "store")
    assert len(store.utt_ids) == 4
    assert store["utt3"].shape == (7, 3)


def test_one_command_does_it_all(call, arguments, tmp_path):
    call(extract_codes, *arguments, "--finalize", "true", "--batch_seconds", "10")
    assert TokenStore(tmp_path / "store").meta.num_utterances == 4


@pytest.mark.parametrize(
    ("device", "message"),
    [("tpu9", "expected auto, cpu, cuda or cuda:N, found 'tpu9'"), ("cuda:99", "PyTorch finds")],
)
def test_a_device_that_there_is_not_is_named(call, arguments, device, message):
    with pytest.raises(ConfigError, match=message):
        call(extract_codes, *arguments, "--device", device)


def test_codes_decoded_and_coded_again_are_compared(call, arguments, tmp_path, capsys, caplog):
    codec, data, store, again = (tmp_path / n for n in ("codec.pth", "data", "store", "again"))
    call(extract_codes, *arguments, "--finalize", "true")
    decode = ["--codec", codec, "--store", store, "--data_dir", data, "--out", tmp_path / "out"]
    for job in (1, 2):
        call(decode_codes, *decode, "--job", job, "--num_jobs", 2)
    call(decode_codes, *decode, "--num_jobs", 2, "--finalize", "true")
    made = DataDir(tmp_path / "out")
    assert soundfile.info(made.wav_scp["utt3"]).frames == 2003
    recode = ["--codec", codec, "--data_dir", made.path, "--store", again]
    call(extract_codes, *recode, "--finalize", "true")
    told = ["--set", "test", "--exp", "exp/codec", "--out", tmp_path / "score"]
    call(compare_codes, "--store", store, "--other", again, *told)
    results = read_results(tmp_path / "score" / "results.json").results
    whole, *parts = [result.value for result in results]
    assert 0 <= whole <= 1 and whole == pytest.approx(np.mean(parts))
    assert [result.scored.get("codebook") for result in results] == [None, 1, 2, 3]
    assert results[0].metric == "reencode_agreement" and results[0].scored["set"] == "test"
    assert results[0].interval[0] <= whole <= results[0].interval[1]
    assert f"{100 * whole:.1f} % of the codes stay the same" in capsys.readouterr().out
    # One of them is gone: the others are compared, and it is said.
    part = subset(made, ["utt0", "utt1", "utt2"], tmp_path / "part")
    recode = ["--codec", codec, "--data_dir", part.path, "--store", tmp_path / "fewer"]
    call(extract_codes, *recode, "--finalize", "true")
    call(compare_codes, "--store", store, "--other", tmp_path / "fewer", *told)
    assert "fewer: 1 utterances of" in caplog.text
