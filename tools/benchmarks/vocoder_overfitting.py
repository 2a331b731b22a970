"""Can a vocoder learn ten sentences by heart? Ten of the embedded corpus, from log-mel k-means.

It trains on them, validates on them, and speaks them from their units and, as VCTK's recipe, from
codes of their pitch (64 bins, 50 a second), whose quantizer learns the same ten. Two numbers say
whether they were learnt: the log-mel distance to the recordings, which should fall under a third of
what fresh weights have, and the correlation of log F0 over frames that are voiced in both, above
0.9. ``--f0 false`` leaves the pitch to the units, which hardly tell it.

F0 is found by pYIN, and beside it by the scores' Dio. How far a tracker can be trusted is measured
in the same run, on the recordings with white noise of a tenth of their energy.

    OMP_NUM_THREADS=1 python tools/benchmarks/vocoder_overfitting.py --out /tmp/ten
    python tools/benchmarks/vocoder_overfitting.py --out /tmp/ten --device cuda

Killed and run again, it goes on. More steps continue a finished run.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from espnet2.gan_tts.hifigan.loss import MelSpectrogramLoss

from codec_ssl.bin import cli
from codec_ssl.data.audio import read_audio
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.data_dir_edits import subset
from codec_ssl.evaluation.pair import CannotScore
from codec_ssl.evaluation.pitch import log_correlation, pitch_pair
from codec_ssl.tasks.vocoder_model import LossConf
from codec_ssl.tokens.store import TokenStore
from codec_ssl.vocoder.experiment import Vocoder, build_vocoder, load_vocoder
from codec_ssl.vocoder.synthesizer import StoreSpeaker

CONF = Path(__file__).parents[2] / "egs2/mini/voc1/conf"
CONFIG, F0_CONFIG = CONF / "train_unit_hifigan.yaml", CONF / "train_f0_quantizer.yaml"
# The recipes' 12.5 codes a second of 20 bins do not tell a contour as exactly as it is asked for.
FINE_PITCH = [
    *("--quantizer_conf", "num_downs=2", "--quantizer_conf", "num_bins=64"),
    *("--quantizer_conf", "decay=0.9"),
]
SENTENCES, RATE = 10, 16000
MOST_DISTANCE, LEAST_CORRELATION = 1 / 3, 0.9
TRACKERS = ("pyin", "dio")
NOISE_ENERGY = 0.1
type Pairs = Iterable[tuple[np.ndarray, np.ndarray]]


def run(module: str, *options: object) -> None:
    """Run a command of the package; it ends this one if it fails."""
    words = [sys.executable, "-m", f"codec_ssl.bin.{module}", *map(str, options)]
    subprocess.run(words, check=True)


def prepare(out: Path, num_clusters: int) -> DataDir:
    """Ten English sentences in ``out/data``, and their units in ``out/units``."""
    if not (out / "units/meta.json").exists():
        run("prepare_data", "mini", "--out_dir", out / "corpus", "--size", "ci")
        source = DataDir(out / "corpus/train")
        english = [u for u, text in source.text.items() if u.startswith("en") and " " in text]
        subset(source, english[:SENTENCES], out / "data")
        spectra = ["--encoder", "logmel", "--layer", 0, "--data_dir", out / "data"]
        run("fit_kmeans", *spectra, "--num_clusters", num_clusters, "--out", out / "kmeans")
        words = ["--tokenizer", out / "kmeans", "--out", out / "units", "--finalize", "true"]
        run("extract_labels", *spectra, *words)
    return DataDir(out / "data")


def both_sets(*data: str) -> list[object]:
    """Options that train on data and validate on the same."""
    splits = ("train", "valid")
    return [w for s in splits for d in data for w in (f"--{s}_data_path_and_name_and_type", d)]


def prepare_pitch(out: Path) -> None:
    """Codes of the sentences' pitch in ``out/f0``, and what gives them in ``out/quantizer``."""
    if (out / "f0/meta.json").exists():
        return
    run("f0_contours", "--data_dir", out / "data", "--out", out / "contours")
    options = ["--config", F0_CONFIG, "--output_dir", out / "quantizer", "--ngpu", 0]
    data = f"{out}/contours,contours,feature_cache", f"{out}/data,speakers,data_dir"
    run("f0_quantizer_train", *options, *FINE_PITCH, *both_sets(*data))
    codes = ["--exp", out / "quantizer", "--contours", out / "contours", "--data_dir", out / "data"]
    run("f0_codes", *codes, "--out", out / "f0", "--finalize", "true")


def train(args: argparse.Namespace) -> None:
    """Train on the ten sentences, which are also the validation set."""
    each = min(args.steps, args.steps_per_epoch)
    options = ["--config", args.config, "--output_dir", args.out / "exp", "--speakers", "table"]
    options += ["--num_iters_per_epoch", each, "--max_epoch", -(-args.steps // each)]
    options += ["--optim_conf", f"lr={args.lr}", "--scheduler_conf", f"gamma={args.gamma}"]
    options += ["--loss_conf", f"discriminator_start={args.discriminator_start}"]
    options += ["--ngpu", int(args.device != "cpu")]
    options += ["--use_tensorboard", "false"]
    data = [f"{args.out}/units,codes,token_store", f"{args.out}/data,audio,audio_{RATE}"]
    if args.f0:
        data.append(f"{args.out}/f0,f0,token_store")
    run("vocoder_train", *options, *both_sets(*data))


def spoken(
    vocoder: Vocoder, data_dir: DataDir, store: TokenStore, pitch: TokenStore | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Each sentence's recording and what the vocoder makes of its units, equally long."""
    speaker = StoreSpeaker(vocoder, store, data_dir.utt2spk, pitch)
    for utt, made in speaker(speaker.utt_ids):
        true, _ = read_audio(data_dir.source(utt), RATE)
        length = min(len(true), len(made.wav))
        yield true[:length], made.wav[:length]


def noisy(pairs: Pairs) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Each recording and the same with noise, whose pitch is the recording's."""
    random = np.random.default_rng(0)
    for true, _ in pairs:
        noise = random.standard_normal(len(true), np.float32)
        yield true, true + noise * np.sqrt(NOISE_ENERGY * np.mean(true**2))


def distance(pairs: Pairs) -> float:
    """Mean log-mel distance."""
    mel = MelSpectrogramLoss(fs=RATE, **LossConf().mel_params)
    tensors = ([torch.from_numpy(wav)[None, None] for wav in pair] for pair in pairs)
    return float(np.mean([float(mel(made, true)) for true, made in tensors]))


def correlations(pairs: Pairs, tracker: str) -> list[float]:
    """Of F0, of each sentence; 0 where hardly anything is voiced in both."""
    found = []
    for true, made in pairs:
        try:
            found.append(log_correlation(*pitch_pair(true, made, RATE, tracker)))
        except CannotScore:
            found.append(0.0)
    return found


def main() -> None:
    """Prepare, train, measure, and say whether it learnt them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--out", type=Path, required=True, help="folder of everything")
    add("--config", type=Path, default=CONFIG, help="of the training")
    add("--steps", type=int, default=10000)
    add("--discriminator_start", type=int, default=6000, help="steps of the mel loss alone")
    add("--steps_per_epoch", type=int, default=200)
    add("--lr", type=float, default=2e-3, help="of the generator")
    add("--gamma", type=float, default=0.95, help="what an epoch leaves of that rate")
    add("--f0", type=cli.str2bool, default=True, help="codes of pitch beside the units")
    add("--num_clusters", type=int, default=256)
    add("--device", default="cpu")
    args = parser.parse_args()
    begin = time.perf_counter()
    data_dir = prepare(args.out, args.num_clusters)
    store, pitch = TokenStore(args.out / "units"), None
    if args.f0:
        prepare_pitch(args.out)
        pitch = TokenStore(args.out / "f0")
    train(args)
    learnt = load_vocoder(args.out / "exp", "latest", args.device)
    torch.manual_seed(0)
    fresh = build_vocoder(learnt.config).for_synthesis().to(args.device)
    start = distance(spoken(replace(learnt, model=fresh), data_dir, store, pitch))
    pairs = list(spoken(learnt, data_dir, store, pitch))
    end = distance(pairs)
    found: dict[str, float] = {
        "steps": args.steps,
        "log_mel_distance_start": start,
        "log_mel_distance_end": end,
        "ratio": end / start,
    }
    for tracker in TRACKERS:
        of_each = correlations(pairs, tracker)
        found[f"f0_{tracker}"] = float(np.mean(of_each))
        found[f"f0_{tracker}_least"] = float(np.min(of_each))
        found[f"f0_{tracker}_noisy"] = float(np.mean(correlations(noisy(pairs), tracker)))
    found["seconds"] = time.perf_counter() - begin
    kept = end < MOST_DISTANCE * start and found[f"f0_{TRACKERS[0]}"] > LEAST_CORRELATION
    (args.out / "overfitting.json").write_text(json.dumps(found, indent=1) + "\n")
    for name, value in found.items():
        print(f"{name:24s} {value:.4g}")
    print("learnt by heart" if kept else "not yet learnt by heart: more --steps continue it")


if __name__ == "__main__":
    main()
