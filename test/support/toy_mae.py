"""A small codec, recordings of tones, and what an EnCodecMAE training takes, made in seconds."""

import dac
import numpy as np
import soundfile
import torch
from safetensors.torch import save_file

from codec_ssl.codecs.base import load_codec
from codec_ssl.data.data_dir import DataDir
from codec_ssl.tokens.store import TokenStoreWriter

RATE, HOP, Q, K, CLASSES = 24000, 320, 4, 64, 12
# Frames; recordings end within a frame.
LENGTHS = {"train": [40, 75, 12, 130, 61, 90, 33, 50], "valid": [44, 70, 20]}


def make_codec(folder):
    """A DAC with random weights, saved in its library's format; returns it, loaded."""
    torch.manual_seed(0)
    model = dac.DAC(
        encoder_dim=4,
        encoder_rates=[2, 4, 5, 8],
        decoder_dim=32,
        decoder_rates=[8, 5, 4, 2],
        n_codebooks=Q,
        codebook_size=K,
        sample_rate=RATE,
    )
    folder.mkdir(parents=True)
    model.save(folder / "weights.pth", package=False)
    return load_codec(folder)


def tones(frames, rng):
    """A melody with noise; the last frame is half full."""
    pitch = np.repeat(rng.choice([220.0, 330.0, 440.0, 660.0], size=frames // 10 + 1), 10 * HOP)
    wave = np.sin(2 * np.pi * np.cumsum(pitch) / RATE) * 0.3
    return (wave + 0.02 * rng.normal(size=len(wave)))[: frames * HOP - HOP // 2]


def make_data_dir(root, split, seed=0):
    rng = np.random.default_rng([seed, len(split)])
    wav = {f"{split}{number:02d}": tones(n, rng) for number, n in enumerate(LENGTHS[split])}
    (root / "wav").mkdir(parents=True, exist_ok=True)
    for utt, samples in wav.items():
        soundfile.write(root / "wav" / f"{utt}.wav", samples, RATE)
    return DataDir.write(
        root / "data" / split,
        wav={utt: str(root / "wav" / f"{utt}.wav") for utt in wav},
        utt2spk={utt: utt for utt in wav},
    )


def write_store(path, columns, sizes, maker):
    """A token store of ``{utterance: (T, Q)}``."""
    writer = TokenStoreWriter(
        path,
        utt_ids=sorted(columns),
        sizes=sizes,
        frame_rate=RATE / HOP,
        sample_rate=RATE,
        maker=maker,
    )
    for shard in writer.pending():
        writer.write_shard(shard, [(u, columns[u]) for u in writer.shard_utt_ids(shard)])
    return writer.finalize()


def codes_of(codec, data_dir):
    found = {}
    for utt in data_dir.utt_ids:
        wav, _ = soundfile.read(data_dir.source(utt).path, dtype="float32")
        found[utt] = codec.encode(torch.from_numpy(wav)[None])[0][0].numpy()
    return found


def make_corpus(root):
    """Everything below ``root``: codec, data dirs, stores of codes and of labels."""
    codec = make_codec(root / "codec")
    rng = np.random.default_rng(3)
    for split in LENGTHS:
        codes = codes_of(codec, make_data_dir(root, split))
        maker = {"kind": "codec", "name": codec.name, "fingerprint": codec.fingerprint}
        write_store(root / "codes" / split, codes, [K] * Q, maker)
        save_file(
            {"vectors": codec.codebook_vectors().contiguous()},
            root / "codes" / split / "codebook.safetensors",
        )
        labels = {
            u: rng.integers(CLASSES, size=(len(c) - i % 2, 1))
            for i, (u, c) in enumerate(codes.items())
        }
        maker = {"kind": "kmeans", "name": "kmeans", "fingerprint": "of kmeans"}
        write_store(root / "labels" / split, labels, [CLASSES], maker)
    return codec
