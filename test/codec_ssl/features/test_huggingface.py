"""Small random models in transformers' own format: their layers are the library's own."""

import json

import pytest
import torch
from transformers import (
    AutoModel,
    Data2VecAudioConfig,
    HubertConfig,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    WavLMConfig,
)

from codec_ssl.errors import CheckpointError, ConfigError
from codec_ssl.features import huggingface
from codec_ssl.features.factory import make_encoder
from codec_ssl.features.pretrained import encoder_names, read_spec

SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "conv_dim": [8] * 7,
    "num_conv_pos_embedding_groups": 2,
}
LARGE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
KINDS = {
    "hubert_base": HubertConfig(**SMALL, num_conv_pos_embeddings=16),
    "hubert_large": HubertConfig(**SMALL, **LARGE, num_conv_pos_embeddings=16),
    "wav2vec2": Wav2Vec2Config(**SMALL, num_conv_pos_embeddings=16),
    "wavlm": WavLMConfig(**SMALL, num_conv_pos_embeddings=16),
    "data2vec": Data2VecAudioConfig(**SMALL, conv_pos_kernel_size=5),
}


def save_model(kind, folder, normalize=None):
    torch.manual_seed(0)
    AutoModel.from_config(KINDS[kind]).save_pretrained(folder)
    if normalize is not None:
        Wav2Vec2FeatureExtractor(do_normalize=normalize).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module", params=sorted(KINDS))
def folder(request, tmp_path_factory):
    """A model of each kind, as transformers saves it."""
    return save_model(request.param, tmp_path_factory.mktemp(request.param), normalize=False)


def wave(seconds, seed=0):
    return torch.randn(int(16000 * seconds), generator=torch.Generator().manual_seed(seed))


def encode(encoder, wavs, layers):
    lens = torch.tensor([len(wav) for wav in wavs])
    padded = torch.nn.utils.rnn.pad_sequence(wavs, batch_first=True, padding_value=7.0)
    features, counts = encoder.encode(padded, lens, layers)
    return [{n: f[row, :count] for n, f in features.items()} for row, count in enumerate(counts)]


def test_layers_are_those_of_the_library(folder):
    encoder, wav = make_encoder(folder, None, "cpu"), wave(0.7)
    with torch.no_grad():
        wanted = AutoModel.from_pretrained(folder).eval()(wav[None], output_hidden_states=True)
    (found,) = encode(encoder, [wav], [0, 1, 2, 3])
    for layer in (0, 1, 2):
        torch.testing.assert_close(found[layer], wanted.hidden_states[layer][0])
    # Behind the last block some have a norm, which a layer doesn't.
    last = found[3]
    if encoder._model.config.to_dict().get("do_stable_layer_norm"):
        last = encoder._model.encoder.layer_norm(last)
    torch.testing.assert_close(last, wanted.last_hidden_state[0])


def test_an_utterance_gets_the_same_features_alone_and_in_a_batch(folder):
    encoder = make_encoder(folder, None, "cpu")
    wavs = [wave(0.4, 1), wave(1.1, 2), wave(0.03, 3)]
    for wav, found in zip(wavs, encode(encoder, wavs, [0, 2]), strict=True):
        (alone,) = encode(encoder, [wav], [0, 2])
        assert len(found[2]) == encoder.frames_of(len(wav))
        for layer in (0, 2):
            assert torch.equal(found[layer], alone[layer])


def test_blocks_above_the_layer_wanted_are_not_run(folder):
    encoder, runs = make_encoder(folder, None, "cpu"), []
    for number, block in enumerate(encoder._blocks, start=1):
        block.register_forward_hook(lambda *_, n=number: runs.append(n))
    encode(encoder, [wave(0.3)], [1])
    encode(encoder, [wave(0.3)], [0])
    encode(encoder, [wave(0.3)], [2, 0])
    encode(encoder, [wave(0.3)], [3])
    assert runs == [1, 1, 1, 2, 1, 2, 3]


def test_frames_are_counted_as_the_model_counts_them(folder):
    encoder = make_encoder(folder, None, "cpu")
    model = AutoModel.from_pretrained(folder)
    for samples in (400, 719, 720, 721, 16000, 16079, 16080, 123457):
        assert encoder.frames_of(samples) == model._get_feat_extract_output_lengths(samples)
    assert encoder.frames_of(399) == encoder.frames_of(0) == 0
    for frames in (1, 2, 50, 999):
        samples = encoder.samples_for(frames)
        assert (encoder.frames_of(samples), encoder.frames_of(samples - 1)) == (frames, frames - 1)


def test_long_audio_goes_through_in_pieces_and_loses_no_frame(folder, monkeypatch):
    monkeypatch.setattr(huggingface, "CHUNK_FRAMES", 30)
    encoder, wav = make_encoder(folder, None, "cpu"), wave(1.55)
    (found,) = encode(encoder, [wav], [2])
    frames = encoder.frames_of(len(wav))
    assert len(found[2]) == frames == 77
    for first in (0, 30, 60):
        last = min(first + 30, frames)
        end = first * 320 + encoder.samples_for(last - first) if last < frames else len(wav)
        (piece,) = encode(encoder, [wav[first * 320 : end]], [2])
        torch.testing.assert_close(found[2][first:last], piece[2])


def test_waveforms_are_normalised_only_if_the_model_was_trained_so(tmp_path):
    plain = make_encoder(save_model("hubert_large", tmp_path / "a", False), None, "cpu")
    normal = make_encoder(save_model("hubert_large", tmp_path / "b", True), None, "cpu")
    assert plain.fingerprint != normal.fingerprint
    wav = 3 * wave(0.5) + 1
    extractor = Wav2Vec2FeatureExtractor(do_normalize=True)
    ready = torch.from_numpy(extractor(wav.numpy(), sampling_rate=16000).input_values[0])
    (found,), (wanted,) = encode(normal, [wav], [2]), encode(plain, [ready], [2])
    torch.testing.assert_close(found[2], wanted[2], atol=1e-4, rtol=1e-4)


def test_a_model_that_does_not_say_is_taken_as_such_models_are(tmp_path, caplog):
    base = make_encoder(save_model("hubert_base", tmp_path / "base"), None, "cpu")
    large = make_encoder(save_model("hubert_large", tmp_path / "large"), None, "cpu")
    assert (base.normalize, large.normalize) == (False, True)
    assert "no preprocessor_config.json" in caplog.text


def test_names_stand_for_the_models_of_the_paper():
    layers = {name: read_spec(name).layer for name in encoder_names()}
    assert layers == {
        "data2vec_base": 6,
        "data2vec_large": 18,
        "hubert_base": 9,
        "hubert_large": 18,
        "mhubert_base": 11,
        "whisper_large": 32,
        "whisper_medium": 24,
    }
    assert read_spec("hubert_large").model == "facebook/hubert-large-ll60k"
    hub = read_spec("someone/model-x")
    assert (hub.name, hub.model) == ("model-x", "someone/model-x")


def test_a_yaml_file_of_ones_own_may_name_a_folder_beside_it(tmp_path):
    save_model("hubert_base", tmp_path / "model", False)
    (tmp_path / "mine.yaml").write_text("model: model\nlayer: 2\n")
    encoder = make_encoder(str(tmp_path / "mine.yaml"), None, "cpu")
    assert encoder.name == "mine" and encoder.num_layers == 3
    (tmp_path / "bad.yaml").write_text("folder: model\n")
    with pytest.raises(ConfigError, match=r"bad.yaml: expected an encoder: model"):
        make_encoder(str(tmp_path / "bad.yaml"), None, "cpu")


def test_what_is_no_speech_encoder_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "hidden_size": 8}))
    with pytest.raises(CheckpointError, match=f"expected a model .*{tmp_path}"):
        make_encoder(str(tmp_path), None, "cpu")
    with pytest.raises(ConfigError, match="a model of transformers, found 'nothing'"):
        make_encoder("nothing", None, "cpu")
