"""Ten sentences of the embedded corpus, learnt by heart and spoken; and one that nobody said."""

import logging

import numpy as np
import pytest
import soundfile
import torch
import yaml
from scipy.cluster.vq import kmeans2

from codec_ssl.bin import prepare_data, tts_evaluate, tts_phones, tts_synthesize, tts_train
from codec_ssl.codecs.base import load_codec
from codec_ssl.codecs.extract import extract_codes, finalize_codes
from codec_ssl.codecs.spectral import DEFAULTS, SpectralGenerator
from codec_ssl.data.audio import read_audio
from codec_ssl.data.data_dir import DataDir, only
from codec_ssl.report.results import read_results
from codec_ssl.tokens.store import TokenStore

pytestmark = [pytest.mark.plan, pytest.mark.slow, pytest.mark.timeout(900)]
STREAMS, BINS = 8, 16


def fitted_codec(path, data_dir):
    """A spectral codec that needs no training: what it decodes has the codes that it was made of.

    Its latents are the first principal components of the log magnitudes, its codebooks each code
    two of them, its phases put one pulse into each frame.
    """
    dim = 2 * STREAMS
    params = {**DEFAULTS, "width": dim, "num_blocks": 0, "hidden_dim": dim}
    params |= {"quantizer_n_q": STREAMS, "quantizer_bins": BINS}
    params["quantizer_target_bandwidth"] = [1.6]
    generator = SpectralGenerator(params)
    wavs = [read_audio(data_dir.source(utt), 16000)[0] for utt in data_dir.utt_ids]
    with torch.no_grad():
        spectra = [generator.encoder.spectrum(torch.from_numpy(wav)[None, None]) for wav in wavs]
        frames = torch.cat(spectra, 2)[0].t()
        mean = frames.mean(0)
        basis = torch.linalg.svd(frames - mean, full_matrices=False)[2][:dim]
        for parameter in generator.parameters():
            parameter.zero_()
        encoder, decoder = generator.encoder.network, generator.decoder.network
        encoder[0].weight[:, :, 1], encoder[0].bias[:] = basis, -basis @ mean
        encoder[1].weight[:, :, 0] = decoder[0].weight[:, :, 3] = torch.eye(dim)
        bins = len(mean)
        decoder[1].weight[:bins, :, 0], decoder[1].bias[:bins] = basis.t(), mean
        decoder[1].bias[bins:] = np.pi * torch.arange(bins)
        latents = (frames - mean) @ basis.t()
        for number, layer in enumerate(generator.quantizer.vq.layers):
            mine = slice(number, None, STREAMS)
            centroids, _ = kmeans2(latents[:, mine].double().numpy(), BINS, minit="++", rng=0)
            layer._codebook.embed.zero_()
            layer._codebook.embed[:, mine] = torch.from_numpy(centroids).float()
    conf = {"codec": "spectral", "codec_conf": {"sampling_rate": 16000, "generator_params": params}}
    path.mkdir()
    (path / "config.yaml").write_text(yaml.safe_dump(conf))
    state = {f"codec.generator.{key}": value for key, value in generator.state_dict().items()}
    torch.save(state, path / "latest.pth")
    return load_codec(path)


@pytest.fixture(scope="module")
def learnt(tmp_path_factory, call):
    """Codec, ten English sentences with codes and phones, and a model that learnt them by heart."""
    root = tmp_path_factory.mktemp("ten")
    call(prepare_data, "mini", "--out_dir", root / "corpus", "--size", "ci")
    source = DataDir(root / "corpus/train")
    english = [u for u, text in source.text.items() if u.startswith("en") and " " in text][:10]
    tables = {"wav": source.wav_scp, "utt2spk": source.utt2spk, "text": source.text}
    chosen = {name: only(table, english) for name, table in tables.items()}
    labels = {"lang": dict.fromkeys(english, "en")}
    data_dir = DataDir.write(
        root / "data", **chosen, phones=only(source.phones, english), labels=labels
    )
    codec = fitted_codec(root / "codec", data_dir)
    extract_codes(codec, data_dir, root / "codes")
    finalize_codes(codec, data_dir, root / "codes")
    out = ["--out", root / "phones", "--f0_min", 50, "--finalize", "true"]
    call(tts_phones, "--data_dir", root / "data", "--frames", root / "codes", *out)
    options = f"""--output_dir {root}/exp --codec {root}/codec --speakers true --num_workers 0
        --use_tensorboard false --max_epoch 2 --num_iters_per_epoch 50 --batch_bins 2000
        --optim_conf lr=0.004 --scheduler warmuplr --scheduler_conf warmup_steps=15""".split()
    conf = {"adim": 96, "aheads": 2, "elayers": 1, "eunits": 192, "dlayers": 2, "dunits": 192}
    conf |= {"positionwise_conv_kernel_size": 3, "pitch_embed_dropout": 0.0}
    conf |= {"energy_embed_dropout": 0.0, "duration_predictor_dropout_rate": 0.0}
    conf |= {"pitch_predictor_dropout": 0.0, "energy_predictor_dropout": 0.0}
    for part in ("enc", "dec"):
        for kind in ("", "positional_", "attn_"):
            conf[f"transformer_{part}_{kind}dropout_rate"] = 0.0
    for name, value in conf.items():
        options += ["--tts_conf", f"{name}={value}"]
    for split in ("train", "valid"):
        option = f"--{split}_data_path_and_name_and_type"
        options += [option, f"{root}/phones,phones,phone_store"]
        options += [option, f"{root}/codes,codes,token_store"]
    logging.disable(logging.INFO)
    call(tts_train, *options)
    return root


def test_more_than_nine_of_ten_codes_are_right_in_every_stream(learnt, call):
    call(tts_evaluate, "--exp", learnt / "exp", "--phones", learnt / "phones",
         "--frames", learnt / "codes", "--out", learnt / "scores")  # fmt: skip
    results = read_results(learnt / "scores/results.json").results
    streams = [r.value for r in results if r.metric == "code_accuracy_by_stream"]
    assert len(streams) == STREAMS and min(streams) > 0.9
    found = {result.metric: result.value for result in results}
    assert found["code_accuracy"] > 0.95
    assert found["duration_error"] < 10 and found["pitch_correlation"] > 0.8


def test_nine_of_ten_codes_of_their_audio_are_those_of_the_recordings(learnt, call):
    words = ["--phones", learnt / "phones", "--teacher", "true", "--out", learnt / "spoken"]
    call(tts_synthesize, "--exp", learnt / "exp", *words)
    spoken, codes = DataDir(learnt / "spoken"), TokenStore(learnt / "codes")
    codec = load_codec(learnt / "codec")
    right = total = 0
    for utt in codes.utt_ids:
        wav, _ = soundfile.read(spoken.source(utt).path, dtype="float32")
        found, _ = codec.encode(torch.from_numpy(wav)[None])
        assert found[0].shape == codes[utt].shape
        right += int((found[0].numpy() == codes[utt]).sum())
        total += codes[utt].size
    assert right / total > 0.9


def test_an_unseen_sentence_is_spoken_in_the_length_that_speech_has(learnt, call):
    text = "the old king finds a golden bottle near the bridge"
    words = ["--text", text, "--language", "en", "--unknown_symbols", "skip"]
    speaker = DataDir(learnt / "data").utt2spk
    words += ["--speaker", next(iter(speaker.values())), "--out", learnt / "unseen"]
    call(tts_synthesize, "--exp", learnt / "exp", *words)
    assert text not in DataDir(learnt / "data").text.values()
    wav, rate = soundfile.read(learnt / "unseen/wav/spoken.wav")
    assert 1.5 < len(wav) / rate < 7 and np.isfinite(wav).all()
    # Ten words take as long as words of the ten sentences do, within a factor of two.
    data_dir = DataDir(learnt / "data")
    words = sum(len(text.split()) for text in data_dir.text.values())
    seconds = sum(segments[-1].end for segments in data_dir.phones.values())
    assert 0.5 < (len(wav) / rate) / (10 * seconds / words) < 2
    # It is no silence and no constant noise: loud and soft frames alternate.
    frames = np.square(wav[: len(wav) // 320 * 320].reshape(-1, 320)).mean(1)
    assert np.quantile(frames, 0.9) > 3 * np.quantile(frames, 0.1) > 0
