"""Imports every dependency, makes it do a little of what it is here for, and prints one line each.

Usage: python tools/check_install.py

Ends with exit code 1 when one fails or has a version outside the range that setup.py declares, and
names it. Needs no network and no device; under a minute on one core.
"""

import ctypes
import importlib.metadata
import io
import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

RATE = 16000
CHECKS: dict[str, Callable[[], str]] = {}


def check(*requirements: str) -> Callable[[Callable[[], str]], Callable[[], str]]:
    """Register a function as the check of one or several requirements (names as in setup.py)."""

    def register(function: Callable[[], str]) -> Callable[[], str]:
        for requirement in requirements:
            CHECKS[requirement] = function
        return function

    return register


def expect(condition: bool, what: str) -> None:
    """Raise when a dependency does not do what it is here for."""
    if not condition:
        raise RuntimeError(what)


def tone(seconds: float = 0.5, rate: int = RATE) -> "np.ndarray":
    """Make a 440 Hz tone, float32 (N,)."""
    import numpy as np

    return (0.3 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)).astype("float32")


@check("numpy")
def numpy_check() -> str:
    """Bit packing is the core of the token store."""
    import numpy as np

    bits = np.unpackbits(np.packbits(np.array([1, 0, 1, 1], np.uint8)))
    expect(bits[:4].tolist() == [1, 0, 1, 1], "packbits does not invert unpackbits")
    return "packbits"


@check("scipy")
def scipy_check() -> str:
    """Filter a signal."""
    from scipy.signal import lfilter

    expect(lfilter([1.0], [1.0, -1.0], [1.0, 1.0, 1.0])[-1] == 3.0, "cumulative sum is wrong")
    return "lfilter"


@check("torch")
def torch_check() -> str:
    """Multiply, differentiate, and say which devices there are."""
    import torch

    x = torch.eye(4, requires_grad=True)
    (x @ x).sum().backward()
    expect(x.grad is not None and bool((x.grad == 2).all()), "the gradient of a product is wrong")
    if not torch.cuda.is_available():
        return "matmul, autograd; no GPU"
    y = torch.eye(4, device="cuda")
    expect(bool((y @ y == y).all()), "a product on the GPU is wrong")
    return f"matmul, autograd; {torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}"


@check("torchaudio")
def torchaudio_check() -> str:
    """Resample: the C++ part must fit the torch beside it."""
    import torch
    import torchaudio

    halved = torchaudio.functional.resample(torch.zeros(1, 1600), 16000, 8000)
    expect(halved.shape == (1, 800), f"resampled to {tuple(halved.shape)}")
    mel = torchaudio.transforms.MelSpectrogram(16000, n_fft=400, n_mels=20)(torch.randn(1, 1600))
    expect(mel.shape[1] == 20, "no mel spectrogram")
    return "resample, mel"


@check("espnet")
def espnet_check() -> str:
    """Build the smallest generator of the codec that the mini recipe trains, and code a tone."""
    import torch
    from espnet2.gan_codec.soundstream.soundstream import SoundStreamGenerator

    generator = SoundStreamGenerator(
        sample_rate=RATE, hidden_dim=8, encdec_n_filters=2, encdec_ratios=[8, 5, 4, 2],
        quantizer_n_q=2, quantizer_bins=16, quantizer_target_bandwidth=[0.4],
    ).eval()  # fmt: skip
    with torch.no_grad():
        codes = generator.encode(torch.from_numpy(tone(0.2)).view(1, 1, -1))
    expect(codes.shape[-1] == 10, f"0.2 s gave {codes.shape[-1]} frames, not 10")
    return "SoundStream encode"


@check("soundfile")
def soundfile_check() -> str:
    """Write and read every container that the data room reads."""
    import numpy as np
    import soundfile

    for container in ("WAV", "FLAC", "OGG", "MP3"):
        buffer = io.BytesIO()
        soundfile.write(buffer, tone(), RATE, format=container)
        buffer.seek(0)
        audio, rate = soundfile.read(buffer, dtype="float32")
        loud = float(np.abs(audio).max())
        expect(rate == RATE and 0.2 < loud < 0.5, f"{container} came back at {rate} Hz, {loud:.2f}")
    return "WAV, FLAC, OGG, MP3"


@check("soxr")
def soxr_check() -> str:
    """Resample."""
    import soxr

    expect(len(soxr.resample(tone(), RATE, 24000)) == 12000, "0.5 s at 24 kHz is not 12000 samples")
    return "resample"


@check("lhotse")
def lhotse_check() -> str:
    """Import corpus readers and make a manifest."""
    from lhotse import Recording, RecordingSet
    from lhotse.recipes import prepare_librispeech

    recording = Recording("r", [], RATE, RATE, 1.0, channel_ids=[0])
    expect(len(RecordingSet.from_recordings([recording])) == 1, "no manifest")
    return prepare_librispeech.__name__


@check("kaldiio")
def kaldiio_check() -> str:
    """Write and read a Kaldi ark."""
    import kaldiio
    import numpy as np

    codes = np.arange(6, dtype=np.int32)
    with tempfile.TemporaryDirectory() as folder:
        kaldiio.save_ark(f"{folder}/x.ark", {"utt": codes}, scp=f"{folder}/x.scp")
        back = dict(kaldiio.load_scp(f"{folder}/x.scp"))["utt"]
    expect(np.array_equal(back, codes), "an ark came back changed")
    return "ark roundtrip"


@check("descript-audio-codec", "descript-audiotools")
def dac_check() -> str:
    """Code a tone with a small DAC, in spite of the protobuf that audiotools asks for."""
    import dac
    import torch

    model = dac.DAC(
        encoder_dim=4, encoder_rates=[2, 4, 5, 8], decoder_dim=32, decoder_rates=[8, 5, 4, 2],
        n_codebooks=3, codebook_size=16, sample_rate=RATE,
    ).eval()  # fmt: skip
    with torch.no_grad():
        codes = model.encode(torch.from_numpy(tone()).view(1, 1, -1))[1]
    expect(codes.shape == (1, 3, 25), f"0.5 s gave codes {tuple(codes.shape)}")
    return "DAC encode"


@check("encodec")
def encodec_check() -> str:
    """Code a tone with the real EnCodec, at random weights."""
    import torch
    from encodec import EncodecModel

    model = EncodecModel.encodec_model_24khz(pretrained=False).eval()
    model.set_target_bandwidth(6.0)
    audio = torch.from_numpy(tone(0.2, 24000)).view(1, 1, -1)
    with torch.no_grad():
        codes = model.encode(audio)[0][0]
    expect(codes.shape == (1, 8, 15), f"0.2 s gave codes {tuple(codes.shape)}")
    return "EnCodec encode"


@check("faiss-cpu")
def faiss_check() -> str:
    """Find two clusters."""
    import faiss
    import numpy as np

    points = np.repeat(np.array([[0.0], [10.0]], np.float32), 50, axis=0)
    kmeans = faiss.Kmeans(1, 2, niter=5, seed=1, min_points_per_centroid=1)
    kmeans.train(points)
    found = sorted(kmeans.centroids.ravel().tolist())
    expect(abs(found[1] - found[0]) > 5, f"two clusters lie at {found}")
    return "k-means"


@check("fastabx", "polars")
def fastabx_check() -> str:
    """ABX errors of tokens."""
    import numpy as np
    import polars
    import torch
    from fastabx import Dataset, InMemoryAccessor, Score, Task

    tokens = torch.from_numpy(np.repeat([0.0, 1.0], 6)[:, None].astype("float32"))
    accessor = InMemoryAccessor(
        {n: (2 * n, 2 * n + 2) for n in range(6)}, tokens, torch.device("cpu")
    )
    labels = polars.DataFrame({"phone": list("aaabbb")})
    score = Score(Task(Dataset(labels, accessor), on="phone"), "identical", progress=False)
    expect(score.collapse() == 0.0, "phones with tokens of their own are confused")
    return "ABX of tokens"


@check("scikit-learn")
def sklearn_check() -> str:
    """Score labels as the probes do."""
    from sklearn.metrics import normalized_mutual_info_score

    expect(normalized_mutual_info_score([0, 0, 1], [1, 1, 0]) > 0.99, "equal partitions differ")
    return "mutual information"


@check("editdistance")
def editdistance_check() -> str:
    """What ESPnet counts validation errors with."""
    import editdistance

    expect(editdistance.eval(["a", "b", "c"], ["a", "x"]) == 2, "distance should be 2")
    return "edit distance"


@check("jiwer")
def jiwer_check() -> str:
    """Count the errors of a transcript."""
    import jiwer

    found = jiwer.process_words(["one two three", ""], ["one too three four", "no"])
    counts = (found.substitutions, found.deletions, found.insertions)
    expect(counts == (1, 0, 2), f"substitutions, deletions and insertions are {counts}")
    return "word errors"


@check("sentencepiece")
def sentencepiece_check() -> str:
    """Train pieces, cut a text and put it together."""
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a word or two"] * 9),
        model_writer=model,
        vocab_size=12,
        minloglevel=2,
    )
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    expect(
        pieces.decode(pieces.encode("two or a word")) == "two or a word", "a text came back changed"
    )
    return "pieces roundtrip"


@check("transformers")
def transformers_check() -> str:
    """Run a tiny HuBERT made from its config."""
    import torch
    from transformers import HubertConfig, HubertModel

    config = HubertConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        conv_dim=(8,) * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4,
    )  # fmt: skip
    with torch.no_grad():
        output = HubertModel(config).eval()(torch.zeros(1, RATE), output_hidden_states=True)
    expect(output.last_hidden_state.shape == (1, 49, 16), "1 s does not give 49 frames")
    return "HuBERT forward"


@check("espnet-s3prl")
def s3prl_check() -> str:
    """Build a downstream model of SUPERB."""
    import s3prl.nn

    expect(hasattr(s3prl.nn, "MeanPooling"), "s3prl.nn has no MeanPooling")
    return "s3prl.nn"


@check("sed_eval")
def sed_eval_check() -> str:
    """Score a list of events against itself: s3prl's problems import it."""
    import sed_eval
    from dcase_util.containers import MetaDataContainer

    events = MetaDataContainer([{"event_label": "dog", "onset": 0.0, "offset": 1.0, "file": "a"}])
    metrics = sed_eval.sound_event.SegmentBasedMetrics(["dog"], time_resolution=1.0)
    metrics.evaluate(reference_event_list=events, estimated_event_list=events)
    score = metrics.overall_f_measure()["f_measure"]
    expect(score == 1, f"a list scores {score} against itself")
    return "F-measure of equal lists"


@check("hearvalidator")
def hearvalidator_check() -> str:
    """Import the validator as we do, without TensorFlow, and ask what it accepts."""
    import types

    sys.modules.setdefault("tensorflow", types.ModuleType("tensorflow"))
    from hearvalidator.validate import ValidateModel

    rates = ValidateModel.ACCEPTABLE_SAMPLE_RATE
    expect(48000 in rates, f"accepts {rates} Hz only")
    return "imported without TensorFlow"


@check("espeakng-loader")
def espeak_check() -> str:
    """Speak a word through the library that the wheel brings."""
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    samples = []
    callback_type = ctypes.CFUNCTYPE(
        ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
    )
    callback = callback_type(lambda audio, count, events: samples.append(count) or 0)
    synchronous, no_exit = 2, 0x8000
    rate = library.espeak_Initialize(
        synchronous, 0, espeakng_loader.get_data_path().encode(), no_exit
    )
    expect(rate > 0, "espeak_Initialize failed")
    library.espeak_SetSynthCallback(callback)
    expect(library.espeak_SetVoiceByName(b"en") == 0, "there is no English voice")
    text, utf8 = b"hello\0", 1
    library.espeak_Synth(text, ctypes.c_size_t(len(text)), 0, 1, 0, utf8, None, None)
    expect(sum(samples) > rate // 10, "no speech came out")
    return f"{sum(samples) / rate:.2f} s of speech"


@check("ci_sdr")
def ci_sdr_check() -> str:
    """Measure a known amount of noise."""
    import ci_sdr
    import torch

    clean = torch.randn(RATE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    noise = torch.randn(RATE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = float(ci_sdr.pt.ci_sdr(clean, clean + 0.1 * noise, filter_length=1))
    expect(abs(found - 20) < 0.3, f"20 dB of noise were measured as {found:.2f}")
    return "20 dB"


@check("pesq", "pystoi")
def intelligibility_check() -> str:
    """Give a perfect copy its known scores."""
    import numpy as np
    from pesq import pesq
    from pystoi import stoi

    noise = np.random.default_rng(0).standard_normal(RATE).astype("float32")
    wav = noise * np.abs(np.sin(np.arange(RATE) / 800)).astype("float32")
    expect(abs(pesq(RATE, wav, wav, "wb") - 4.64) < 0.01, "PESQ of a copy is not 4.64")
    expect(abs(stoi(wav, wav, RATE) - 1) < 1e-6, "STOI of a copy is not 1")
    return "scores of a copy"


@check("pyworld", "pysptk")
def world_check() -> str:
    """Find the pitch of a tone, and its mel cepstrum."""
    import numpy as np
    import pysptk
    import pyworld

    wav = np.sign(np.sin(2 * np.pi * 200 * np.arange(RATE // 2) / RATE))
    pitch, times = pyworld.harvest(wav, RATE)
    expect(abs(np.median(pitch) - 200) < 2, f"200 Hz were heard as {np.median(pitch):.0f}")
    cepstrum = pysptk.sp2mc(pyworld.cheaptrick(wav, pitch, times, RATE), 39, 0.466)
    expect(cepstrum.shape == (len(pitch), 40), "no mel cepstrum")
    return "pitch, mel cepstrum"


@check("librosa")
def librosa_check() -> str:
    """Follow a tone's pitch by pYIN."""
    import librosa
    import numpy as np

    pitch, voiced, _ = librosa.pyin(tone(), fmin=100, fmax=600, sr=RATE)
    expect(abs(np.median(pitch[voiced]) - 440) < 4, "440 Hz were heard otherwise")
    return "pYIN"


@check("speechmos", "onnxruntime")
def dnsmos_check() -> str:
    """Score a tone with the networks that the wheel brings."""
    from speechmos import dnsmos

    score = dnsmos.run(tone(9.1), RATE)["ovrl_mos"]
    expect(1 <= score <= 5, f"DNSMOS of a tone is {score}")
    return "DNSMOS"


@check("resemblyzer", "webrtcvad-wheels")
def speaker_check() -> str:
    """Embed a tone with the network that the wheel brings."""
    from resemblyzer import VoiceEncoder

    embedding = VoiceEncoder("cpu", verbose=False).embed_utterance(tone(1.0))
    expect(abs(float(embedding @ embedding) - 1) < 1e-3, "the embedding is not of length 1")
    return "speaker embedding"


@check("visqol-python")
def visqol_check() -> str:
    """Give a perfect copy its known score."""
    from visqol import VisqolApi

    scorer = VisqolApi()
    scorer.create(mode="audio")
    wav = tone(1.0, 48000).astype("float64")
    score = scorer.measure_from_arrays(wav, wav, 48000).moslqo
    expect(score > 4.5, f"ViSQOL of a copy is {score:.2f}")
    return "score of a copy"


@check("safetensors")
def safetensors_check() -> str:
    """Save and load."""
    import numpy as np
    from safetensors.numpy import load, save

    back = load(save({"x": np.arange(3, dtype=np.uint8)}))
    expect(back["x"].tolist() == [0, 1, 2], "a tensor came back changed")
    return "roundtrip"


@check("tensorboard")
def tensorboard_check() -> str:
    """Write an event file."""
    from torch.utils.tensorboard import SummaryWriter

    with tempfile.TemporaryDirectory() as folder:
        with SummaryWriter(folder) as writer:
            writer.add_scalar("loss", 1.0, 1)
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
    expect(size > 0, "the event file is empty")
    return "event file"


@check("matplotlib")
def matplotlib_check() -> str:
    """Draw without a display."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    axes.plot([0, 1])
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    expect(buffer.getvalue().startswith(b"\x89PNG"), "no PNG was drawn")
    return "PNG"


@check("pyyaml")
def yaml_check() -> str:
    """Read a config."""
    import yaml

    expect(yaml.safe_load("a: [1, 2]") == {"a": [1, 2]}, "a config was misread")
    return "safe_load"


@check("tqdm")
def tqdm_check() -> str:
    """Count."""
    from tqdm import tqdm

    expect(list(tqdm(range(3), disable=True)) == [0, 1, 2], "lost count")
    return "iteration"


def outside_range(requirement: str) -> str:
    """Say how a version violates what setup.py declares, or an empty string.

    A version beside the pinned one is possible: the user's own torch is kept.
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    for line in importlib.metadata.requires("codec_ssl") or []:
        declared = Requirement(line)
        if canonicalize_name(declared.name) == requirement:
            version = importlib.metadata.version(requirement)
            if not declared.specifier.contains(version, prereleases=True):
                return f"setup.py asks for {declared.specifier}"
    return ""


def run_check(requirement: str) -> bool:
    """Run one check, print its line and say whether it passed.

    A dependency may fail in any way when it meets the wrong neighbour, hence the broad except.
    """
    start = time.monotonic()
    version = "-"
    try:
        version = importlib.metadata.version(requirement)
        text, passed = CHECKS[requirement](), True
        if problem := outside_range(requirement):
            text, passed = problem, False
    except Exception as error:
        text, passed = f"{type(error).__name__}: {error}", False
    seconds = time.monotonic() - start
    state = "ok  " if passed else "FAIL"
    print(f"{state} {requirement:22} {version:12} {text}  ({seconds:.1f} s)", flush=True)
    return passed


def main() -> int:
    """Run all checks; 0 when all pass."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    failed = [requirement for requirement in CHECKS if not run_check(requirement)]
    if failed:
        print(f"failed: {', '.join(failed)} (see tools/requirements.txt)", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
