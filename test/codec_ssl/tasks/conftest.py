"""Tiny stores and data dirs, and trainings through the real tasks."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from codec_ssl.tokens.store import TokenStore, TokenStoreWriter

Q, K, CLASSES = 2, 16, 12


def make_store(path: Path, lengths: dict[str, int], sizes: list[int], name: str) -> TokenStore:
    rng = np.random.default_rng(len(name) + len(lengths))
    writer = TokenStoreWriter(
        path,
        utt_ids=list(lengths),
        sizes=sizes,
        frame_rate=50.0,
        sample_rate=16000,
        maker={"kind": "codec", "name": name, "fingerprint": f"of {name}"},
    )
    for shard in writer.pending():
        ids = writer.shard_utt_ids(shard)
        codes = [(u, rng.integers(0, sizes, (lengths[u], len(sizes)))) for u in ids]
        writer.write_shard(shard, codes)
    return writer.finalize()


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stores of codes and labels; labels are a frame shorter now and then."""
    root = tmp_path_factory.mktemp("stores")
    rng = np.random.default_rng(0)
    for split, count in (("train", 40), ("valid", 8), ("other", 41), ("foreign", 40)):
        lengths = {f"{split}{i:02d}": int(rng.integers(15, 50)) for i in range(count)}
        name = "another codec" if split == "foreign" else "codec"
        make_store(root / "codes" / split, lengths, [K] * Q, name)
        shorter = {utt: n - i % 2 for i, (utt, n) in enumerate(lengths.items())}
        make_store(root / "labels" / split, shorter, [CLASSES], "kmeans")
    return root


@pytest.fixture
def command(stores: Path) -> Callable[..., list[str]]:
    """Command line of a Codec2Vec training that takes a second."""

    def build(output_dir: Path, target: str = "reconstruction", *more: str, train: str = "train"):
        names = ["codes", "labels"] if target == "cluster" else ["codes"]
        cmd = f"""--output_dir {output_dir} --target {target} --max_epoch 3 --num_workers 0
            --num_iters_per_epoch 4 --batch_bins 300 --optim adamw --optim_conf lr=0.003
            --frontend_conf codebook_dim=8 --frontend_conf init=random --use_tensorboard false
            --encoder_conf dim=16 --encoder_conf num_layers=2 --encoder_conf num_heads=2
            --encoder_conf ffn_dim=32 --encoder_conf conv_pos_kernel=8
            --encoder_conf conv_pos_groups=2 --alarm_conf pred_perplexity=null""".split()
        if target == "online":
            cmd += ["--target_conf", "num_layers=1", "--target_conf", "codebook_size=8"]
        for split, store in (("train", train), ("valid", "valid")):
            for name in names:
                data = f"{stores}/{name}/{store},{name},token_store"
                cmd += [f"--{split}_data_path_and_name_and_type", data]
        return [*cmd, *more]

    return build
