"""One way to ask for an encoder: an experiment directory, or the name of a baseline."""

from pathlib import Path

import torch

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import ConfigError
from codec_ssl.features.base import SpeechEncoder
from codec_ssl.features.baselines import CodecEmbeddings, LogMel
from codec_ssl.features.ours import load_encoder
from codec_ssl.features.stream import CodeSource, Source, WavSource
from codec_ssl.tokens import contract
from codec_ssl.tokens.store import TokenStore

BASELINES = ("codec", "logmel")


def make_encoder(
    name: str,
    store: TokenStore,
    device: str | torch.device,
    checkpoint: str = "latest",
    untrained_seed: int | None = None,
) -> SpeechEncoder:
    """Build an encoder for the codes of a store.

    Args:
        name: ``codec`` (raw codec embeddings), ``logmel``, or an experiment directory.
        store: Codes for an experiment's model; its rates and codebook are the baselines'.
        device: Where to compute.
        checkpoint: Which checkpoint of an experiment directory.
        untrained_seed: In place of a checkpoint: fresh weights with this seed.

    Raises:
        ConfigError: If it is neither a baseline nor a directory.
        CheckpointError: If the experiment was trained on codes of another codec.
    """
    if name == "codec":
        return CodecEmbeddings.from_store(store.path, store.meta.frame_rate, device)
    if name == "logmel":
        return LogMel(store.meta.sample_rate, store.meta.frame_rate, device=device)
    if not Path(name).is_dir():
        raise ConfigError(
            f"encoder: expected one of {BASELINES} or an experiment directory, found {name!r}",
            stage="pretrain",
        )
    encoder = load_encoder(name, device, checkpoint, untrained_seed=untrained_seed)
    contract.check_checkpoint(store, encoder.codes, same_data=False)
    return encoder


def make_source(
    encoder: SpeechEncoder,
    store: TokenStore,
    utt_ids: list[str] | None = None,
    data_dir: DataDir | None = None,
) -> Source:
    """Inputs for an encoder: codes of the store, or waveforms cut to the store's frames.

    Args:
        encoder: What takes them.
        store: Codes, and the frame counts of all utterances.
        utt_ids: Utterances to take, in this order; all of the store where None.
        data_dir: Where the waveforms are; needed only by encoders of waveforms.

    Raises:
        ConfigError: If the encoder takes waveforms and there is no data dir.
    """
    if encoder.input_kind == "codes":
        return CodeSource(store, utt_ids)
    if data_dir is None:
        raise ConfigError(
            f"encoder {encoder.name} takes waveforms: expected a data dir, found none"
        )
    wanted = store.utt_ids if utt_ids is None else utt_ids
    lengths = {utt: store.num_frames(utt) for utt in wanted}
    rate = store.meta.sample_rate
    return WavSource(data_dir, rate, lengths, hop=round(rate / store.meta.frame_rate))
