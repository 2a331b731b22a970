"""Time and input bytes of a training step: codes from a store, against log-mel frames of audio.

Both experiments (of egs2/*/asr1, on the same training set) train on the same batches in one
process in turns (A, B, B, A, ...), so that other load on the machine meets both; ratios are medians
over pairs of neighbouring steps. A step is everything: reading and unpacking or decoding, padding,
the spectra, forward, backward and the optimizer. Bytes are what lies on the disk for the utterances
of a step: packed codes, audio files as they are.

    OMP_NUM_THREADS=1 python tools/benchmarks/codec_asr_speed.py \
        egs2/mini/asr1/exp/codec_train_codec_asr egs2/mini/asr1/exp/audio_train_logmel_asr
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import yaml
from espnet2.train.dataset import ESPnetDataset

from codec_ssl.data.tables import read_table
from codec_ssl.data.waveforms import Waveforms
from codec_ssl.errors import DataError
from codec_ssl.features.stream import batch_slices
from codec_ssl.tasks.codec_asr import CodecASRTask
from codec_ssl.tokens.store import TokenStore


class Side:
    """An experiment's data and a new model of it with its optimizer.

    Args:
        exp: The experiment.
        device: Where to compute.
    """

    def __init__(self, exp: Path, device: str) -> None:
        config = yaml.safe_load((exp / "config.yaml").read_text(encoding="utf-8"))
        args = argparse.Namespace(**config)
        entries = [tuple(each) for each in args.train_data_path_and_name_and_type]
        [(path, _, kind)] = [entry for entry in entries if entry[1] == "speech"]
        rate = int(kind.rpartition("_")[2]) if kind.startswith("speech_") else None
        self.speech = TokenStore(path) if rate is None else Waveforms(path, rate)
        preprocess = CodecASRTask.build_preprocess_fn(args, True)
        self.data = ESPnetDataset(entries, preprocess=preprocess)
        self.collate = CodecASRTask.build_collate_fn(args, True)
        self.milliseconds = {
            utt: int(value) for utt, value in read_table(exp / "lengths/train").items()
        }
        self.batch_bins: int = args.batch_bins
        args.train_data_path_and_name_and_type = []
        torch.manual_seed(0)
        self.model = CodecASRTask.build_model(args).to(device).train()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4)
        self.device = device
        self.seconds: list[float] = []
        self.reading: list[float] = []

    def step(self, utt_ids: Sequence[str]) -> None:
        """Train on one batch and note the seconds, those until the batch was there apart."""
        begin = self._now()
        ids, batch = self.collate([self.data[utt_id] for utt_id in utt_ids])
        batch = {name: value.to(self.device) for name, value in batch.items()}
        read = self._now()
        loss = self.model(utt_id=ids, **batch)[0]
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.seconds.append(self._now() - begin)
        self.reading.append(read - begin)

    def bytes_of(self, utt_ids: Sequence[str]) -> int:
        """Bytes on the disk of utterances; of a segment, its share of the file."""
        if isinstance(self.speech, TokenStore):
            return sum(self.speech.packed(utt_id).nbytes for utt_id in utt_ids)
        total = 0.0
        for utt_id in utt_ids:
            source = self.speech.data_dir.source(utt_id)
            share = 1.0
            if self.speech.data_dir.segments:
                whole = Path(source.path)
                share = self.milliseconds[utt_id] / 1000 / _duration(whole)
            total += share * Path(source.path).stat().st_size
        return round(total)

    def _now(self) -> float:
        if self.device != "cpu":
            torch.cuda.synchronize()
        return time.perf_counter()


def _duration(path: Path) -> float:
    import soundfile

    return soundfile.info(path).duration


def make_batches(sides: Sequence[Side]) -> list[list[str]]:
    """Batches of utterances that both have, of like durations, in an order of chance.

    Raises:
        DataError: They have none in common.
    """
    lengths = sides[0].milliseconds
    shared = sorted(set.intersection(*(set(s.milliseconds) for s in sides)), key=lengths.get)
    if not shared:
        raise DataError("expected experiments on the same training set, found no utterance in both")
    slices = batch_slices([lengths[utt_id] for utt_id in shared], sides[0].batch_bins)
    batches = [shared[begin:end] for begin, end in slices]
    order = torch.randperm(len(batches), generator=torch.Generator().manual_seed(0))
    return [batches[number] for number in order.tolist()]


def report(names: Sequence[str], sides: Sequence[Side], batches: Sequence[Sequence[str]]) -> str:
    """The lines that are printed."""
    lines: list[str] = []
    read: list[Any] = []
    for name, side in zip(names, sides, strict=True):
        read.append(sum(side.bytes_of(batch) for batch in batches) / len(batches))
        lines.append(
            f"{name:32s} {statistics.median(side.seconds):7.3f} s a step, "
            f"{statistics.median(side.reading):7.4f} s of it reading, {read[-1] / 1e3:9.1f} kB"
        )
    codes, audio = sides
    ratios = [b / a for a, b in zip(codes.seconds, audio.seconds, strict=True)]
    reading = [b / a for a, b in zip(codes.reading, audio.reading, strict=True)]
    seconds = sum(codes.milliseconds[utt] for batch in batches for utt in batch) / 1000
    lines.append(
        f"{len(batches)} steps of {seconds / len(batches):.1f} s of speech on {codes.device}: "
        f"audio takes {statistics.median(ratios):.2f} times the time (from {min(ratios):.2f} to "
        f"{max(ratios):.2f}), {statistics.median(reading):.1f} times the time of reading and "
        f"{read[1] / read[0]:.1f} times the bytes"
    )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("codes", type=Path, help="experiment on codes")
    parser.add_argument("audio", type=Path, help="experiment on audio, the same training set")
    parser.add_argument("--steps", type=int, default=20, help="of each, after one to warm up")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    sides = [Side(exp, args.device) for exp in (args.codes, args.audio)]
    batches = list(islice(make_batches(sides), args.steps))
    for side in sides:
        side.step(batches[0])
        side.seconds, side.reading = [], []
    for turn, batch in enumerate(batches):
        for side in sides if turn % 2 == 0 else reversed(sides):
            side.step(batch)
    print(report([args.codes.name, args.audio.name], sides, batches))


if __name__ == "__main__":
    main()
