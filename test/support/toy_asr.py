"""Transcribed units that a small model learns in seconds: each word has a sound of its own."""

import numpy as np
import torch
import yaml

from codec_ssl.asr.text import Pieces, train_pieces
from codec_ssl.data.tables import write_table
from codec_ssl.features.baselines import CodecEmbeddings
from codec_ssl.features.cache_writer import write_cache
from codec_ssl.tokens.store import TokenStoreWriter

WORDS = ["one", "two", "three", "four", "five"]
VOCAB = 18
SIZES = (16, 8)
MAKER = {
    "kind": "repcodec",
    "name": "repcodec16x8",
    "fingerprint": "toy tokenizer",
    "encoder": "toy_base",
    "encoder_fingerprint": "toy encoder",
    "layer": 9,
}


def make_set(root, name, count, seed, maker=MAKER, language=None):
    """Write ``root/data/name`` (text, utt2spk) and ``root/store/name``."""
    random = np.random.default_rng(seed)
    text, codes = {}, {}
    for number in range(count):
        words = random.integers(len(WORDS), size=random.integers(1, 5))
        utt = f"s{number % 3}-{name}-{number:03d}"
        text[utt] = " ".join(WORDS[word] for word in words)
        codes[utt] = np.concatenate([_sound(word, random) for word in words])
    folder = root / "data" / name
    folder.mkdir(parents=True)
    write_table(folder / "text", text)
    write_table(folder / "utt2spk", {utt: utt.partition("-")[0] for utt in text})
    if language:
        write_table(folder / "utt2lang", dict.fromkeys(text, language))
    return text, write_store(root / "store" / name, codes, maker)


def write_store(path, codes, maker=MAKER, sizes=SIZES):
    writer = TokenStoreWriter(
        path,
        utt_ids=sorted(codes),
        sizes=sizes,
        frame_rate=50.0,
        sample_rate=16000,
        maker=maker,
        shard_utterances=7,
    )
    for shard in writer.pending():
        writer.write_shard(shard, [(u, codes[u]) for u in writer.shard_utt_ids(shard)])
    return writer.finalize()


def write_features(root, name, store, width=6):
    """Write ``root/features/name``: an embedding of the units, as continuous features."""
    table = torch.randn(len(SIZES), max(SIZES), width, generator=torch.Generator().manual_seed(0))
    return write_cache(CodecEmbeddings(table, 50.0), store, 0, root / "features" / name)


def make_pieces(root, text, **options):
    return train_pieces(text.values(), root / "pieces", vocab_size=VOCAB, num_threads=1, **options)


def write_exp(path, tiny_model, speech, pieces, **sizes):
    """Write an experiment directory as a training leaves it, with pieces of ``path/../pieces``."""
    record = {"train": speech, "pieces": pieces}
    conf = {"objective": "p(y|s)", "config": "conf/train_toy.yaml", "data_record": record}
    model = tiny_model(**sizes, vocab_size=pieces["vocab_size"])
    conf["decoder_conf"] = {"dim": 16, "num_layers": 2, "num_heads": 2, "ffn_dim": 24}
    with torch.no_grad():
        model.head.weight.mul_(4)
    path.mkdir(exist_ok=True)
    torch.save({f"asr.{key}": v for key, v in model.state_dict().items()}, path / "latest.pth")
    (path / "config.yaml").write_text(yaml.safe_dump(conf))
    Pieces(path.parent / "pieces").save(path / "pieces")


def _sound(word, random):
    """Two to four frames: a word's units, the first of which says that it begins."""
    frames = random.integers(2, 5)
    first = word * 3 + np.minimum(np.arange(frames), 1 + random.integers(2, size=frames))
    return np.stack([first, random.integers(SIZES[1], size=frames)], axis=1)
