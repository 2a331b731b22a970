"""A corpus whose codes and waveforms carry phones and speakers, made in a second."""

from itertools import pairwise

import numpy as np
import soundfile
import torch
import yaml
from safetensors.torch import save_file

from codec_ssl.data.alignment import Segment
from codec_ssl.data.data_dir import DataDir
from codec_ssl.ssl.codec2vec import build_codec2vec
from codec_ssl.tokens import contract
from codec_ssl.tokens.store import TokenStore, TokenStoreWriter

RATE, HOP, FRAME_RATE, NUM_PHONES, SIZE, DIM = 16000, 320, 50.0, 5, 32, 64
MAKER = {"kind": "codec", "name": "toy_codec", "fingerprint": "toy"}
CONFIG = {
    "config": "conf/train_toy.yaml",
    "encoder_conf": {
        "dim": 32,
        "num_layers": 3,
        "num_heads": 2,
        "ffn_dim": 64,
        "conv_pos_kernel": 4,
        "conv_pos_groups": 2,
    },
    "target": "reconstruction",
}


def codebook():
    return torch.randn(2, SIZE, DIM, generator=torch.Generator().manual_seed(0))


def make_split(root, name, num_utterances, seed, speakers=("ann", "bob", "cat")):
    """Write data dir and store of one split; returns both folders."""
    random = np.random.default_rng(seed)
    wav, codes, phones, spk, colour = {}, {}, {}, {}, {}
    (root / "wav").mkdir(parents=True, exist_ok=True)
    for number in range(num_utterances):
        speaker = speakers[number % len(speakers)]
        utt = f"{speaker}-{name}-{number:03d}"
        labels = np.repeat(random.integers(NUM_PHONES, size=8), random.integers(3, 9, size=8))
        codes[utt] = _codes(labels, speakers.index(speaker), random)
        phones[utt] = _segments(labels)
        wav[utt], spk[utt] = str(root / "wav" / f"{utt}.wav"), speaker
        colour[utt] = "red" if speaker == speakers[0] else "blue"
        soundfile.write(wav[utt], _tones(labels, random), RATE)
    DataDir.write(root / name, wav=wav, utt2spk=spk, labels={"colour": colour}, phones=phones)
    write_store(root / "store" / name, codes)
    return root / name, root / "store" / name


def write_store(path, codes, shard_utterances=7, maker=MAKER):
    writer = TokenStoreWriter(
        path,
        utt_ids=sorted(codes),
        sizes=[SIZE, SIZE],
        frame_rate=FRAME_RATE,
        sample_rate=RATE,
        maker=maker,
        shard_utterances=shard_utterances,
    )
    for shard in writer.pending():
        writer.write_shard(shard, [(u, codes[u]) for u in writer.shard_utt_ids(shard)])
    save_file({"vectors": codebook()}, path / "codebook.safetensors")
    return writer.finalize()


def make_exp(path, store_dir, seed=0):
    """An experiment directory as training leaves it."""
    path.mkdir(parents=True)
    frontend = {
        "num_codebooks": 2,
        "codebook_size": SIZE,
        "codebook_dim": DIM,
        "codebook": str(store_dir / "codebook.safetensors"),
    }
    record = {"train": {"codes": contract.record(TokenStore(store_dir))}}
    config = {**CONFIG, "frontend_conf": frontend, "data_record": record}
    torch.manual_seed(seed)
    model = build_codec2vec(config)
    state = {f"codec2vec.{key}": value for key, value in model.state_dict().items()}
    torch.save(state, path / "latest.pth")
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    return model


def _codes(labels, speaker, random):
    first = labels * 6 + random.integers(6, size=len(labels))
    second = speaker * 10 + random.integers(10, size=len(labels))
    flipped = random.random(len(labels)) < 0.2
    first = np.where(flipped, random.integers(SIZE, size=len(labels)), first)
    return np.stack([first, second], axis=1)


def _segments(labels):
    borders = np.flatnonzero(np.diff(labels)) + 1
    edges = [0, *borders.tolist(), len(labels)]
    return [
        Segment(low * HOP / RATE, high * HOP / RATE, f"p{labels[low]}")
        for low, high in pairwise(edges)
    ]


def _tones(labels, random):
    frequency = np.repeat(300.0 * (labels + 1), HOP)
    wave = 0.3 * np.sin(2 * np.pi * np.cumsum(frequency) / RATE)
    return wave + 0.03 * random.normal(size=len(wave))
