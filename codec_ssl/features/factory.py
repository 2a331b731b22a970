"""One way to ask for an encoder: an experiment directory, or the name of a baseline."""

from pathlib import Path
from typing import TypeGuard

import torch

from codec_ssl.codecs.base import load_codec
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import ConfigError
from codec_ssl.features.base import SpeechEncoder, WaveEncoder
from codec_ssl.features.baselines import CodecEmbeddings, LogMel
from codec_ssl.features.mae_input import INPUTS, LATENT, MEL, QUANTIZED, make_input
from codec_ssl.features.mix import LayerMix, read_weights
from codec_ssl.features.ours import Codec2VecEncoder, load_encoder
from codec_ssl.features.pretrained import encoder_names, load_pretrained, read_spec
from codec_ssl.features.stream import CodeSource, Source, WavSource
from codec_ssl.features.token_embeddings import TokenEmbeddings
from codec_ssl.features.utterances import StoreUtterances, Utterances, WaveUtterances, store_of
from codec_ssl.tokenizers.registry import load_tokenizer
from codec_ssl.tokens import contract
from codec_ssl.tokens.store import TokenStore

BASELINES = ("codec", "logmel")
# A codec's codes with embeddings to learn.
CODES = "codes"
_RATES = (16000, 50.0)
_SAME_RATE = 1e-3


def make_encoder(
    name: str,
    store: TokenStore | None,
    device: str | torch.device,
    checkpoint: str = "latest",
    untrained_seed: int | None = None,
    layer_weights: str | None = None,
    tokenizer: str | None = None,
) -> SpeechEncoder:
    """Build an encoder for the codes of a store.

    Args:
        name: ``codec`` (raw codec embeddings), ``codes`` (the same, to be learnt), ``logmel``,
            ``latent:CODEC``, ``quantized:CODEC`` or ``mel`` (of waveforms, see ``mae_input``), an
            experiment directory of ours, or an encoder of others, see ``pretrained.read_spec``.
        store: Codes for an experiment's model; its rates and codebook are the baselines'. None
            for encoders of waveforms; log-mel then has 50 frames a second of 16 kHz audio.
        device: Where to compute.
        checkpoint: Which checkpoint of an experiment directory.
        untrained_seed: In place of a checkpoint: fresh weights with this seed.
        layer_weights: Weights of a sum of all layers, see ``mix.read_weights``; the encoder's only
            layer is then 0.
        tokenizer: Folder of a k-means or RepCodec fitted on the encoder, whose tokens the store
            has: embeddings of them, to be learnt, take the place of the encoder, which is not
            even loaded.

    Raises:
        ConfigError: If it is neither a baseline nor a directory.
        CheckpointError: If the experiment was trained on codes of another codec, or the store's
            tokens are not the tokenizer's.
    """
    if tokenizer is not None:
        tokens = _codes(store, f"tokens of {name}")
        return TokenEmbeddings.of_tokenizer(tokens, load_tokenizer(tokenizer), device)
    encoder = _encoder(name, store, device, checkpoint, untrained_seed)
    return encoder if layer_weights is None else LayerMix(encoder, read_weights(layer_weights))


def _encoder(
    name: str,
    store: TokenStore | None,
    device: str | torch.device,
    checkpoint: str,
    untrained_seed: int | None,
) -> SpeechEncoder:
    if name == "codec":
        return CodecEmbeddings.from_store(_codes(store, name).path, store.frame_rate, device)
    if name == CODES:
        return TokenEmbeddings.of_codec(_codes(store, name), device)
    if name == "logmel":
        rates = _RATES if store is None else (store.sample_rate, store.frame_rate)
        return LogMel(*rates, device=device)
    if (kind := name.partition(":")[0]) in INPUTS:
        spec_of_codec = name.partition(":")[2]
        codec = load_codec(spec_of_codec, device) if spec_of_codec else None
        return make_input(kind, {}, codec, device)
    if (spec := read_spec(name)) is not None:
        return load_pretrained(spec, device)
    if not Path(name).is_dir():
        raise ConfigError(
            f"encoder: expected one of {(*BASELINES, CODES)}, {MEL}, {LATENT}:CODEC,"
            f" {QUANTIZED}:CODEC, one of {encoder_names()}, an experiment directory,"
            f" a model of transformers, found {name!r}",
            stage="pretrain",
        )
    encoder = load_encoder(name, device, checkpoint, untrained_seed=untrained_seed)
    if isinstance(encoder, Codec2VecEncoder):
        contract.check_checkpoint(_codes(store, name), encoder.codes, same_data=False)
    return encoder


def _codes(store: TokenStore | None, name: str) -> TokenStore:
    if store is None:
        raise ConfigError(f"encoder {name}: expected a token store of codes, found none", "tokens")
    return store


def open_utterances(
    encoder: SpeechEncoder, store: TokenStore | None, data_dir: DataDir | None
) -> Utterances:
    """Utterances to make features of: a store's, a data dir's, or those that both have.

    Raises:
        ConfigError: If the encoder needs another one of the two.
        DataError: If too many utterances of the data dir are unusable, or both share none.
    """
    if store is not None:
        return store if data_dir is None else StoreUtterances(store, data_dir)
    if not _takes_waves(encoder):
        raise ConfigError(
            f"encoder {encoder.name} takes codes: expected a token store, found none", "tokens"
        )
    return WaveUtterances(_needed(data_dir, encoder), encoder)


def make_source(
    encoder: SpeechEncoder,
    utterances: Utterances,
    utt_ids: list[str] | None = None,
    data_dir: DataDir | None = None,
) -> Source:
    """Inputs for an encoder: codes, or waveforms of the length that gives the frames wanted.

    Args:
        encoder: What takes them.
        utterances: A token store, or what ``open_utterances`` gave.
        utt_ids: Utterances to take, in this order; all where None.
        data_dir: Where the waveforms are; needed only by encoders of waveforms.

    Raises:
        ConfigError: If the encoder takes waveforms and there is no data dir, or its frames come at
            another rate than those of the store.
    """
    wanted = utterances.utt_ids if utt_ids is None else utt_ids
    if not _takes_waves(encoder):
        if (store := store_of(utterances)) is None:
            raise ConfigError(f"encoder {encoder.name} takes codes: found {utterances.path}")
        return CodeSource(store, wanted)
    if abs(encoder.frame_rate - utterances.frame_rate) > _SAME_RATE * encoder.frame_rate:
        raise ConfigError(
            f"encoder {encoder.name}: expected {encoder.frame_rate:g} frames a second, found"
            f" {utterances.frame_rate:g} in {utterances.path}: leave the store out"
        )
    frames = {utt: utterances.num_frames(utt) for utt in wanted}
    if isinstance(utterances, WaveUtterances):
        samples = {utt: utterances.num_samples(utt) for utt in wanted}
    else:
        samples = {utt: encoder.samples_for(count) for utt, count in frames.items()}
    return WavSource(_needed(data_dir, encoder), encoder.sample_rate, frames, samples)


def _takes_waves(encoder: SpeechEncoder) -> TypeGuard[WaveEncoder]:
    return encoder.input_kind == "wav"


def _needed(data_dir: DataDir | None, encoder: SpeechEncoder) -> DataDir:
    if data_dir is None:
        raise ConfigError(
            f"encoder {encoder.name} takes waveforms: expected a data dir, found none"
        )
    return data_dir
