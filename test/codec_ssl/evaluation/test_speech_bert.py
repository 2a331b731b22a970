"""Speech BERT score against its definition, on a small random WavLM in transformers' format."""

import numpy as np
import pytest
import torch
from transformers import Wav2Vec2FeatureExtractor, WavLMConfig, WavLMModel, WhisperConfig
from transformers import WhisperModel as Whisper
from voice import RATE, noisy, voice

from codec_ssl.errors import CheckpointError, ConfigError
from codec_ssl.evaluation.pair import CannotScore
from codec_ssl.evaluation.speech_bert import SpeechBert, best_match

WAV = voice(0.8)
# The large one's kind: norms in front, trained on normalised waveforms.
SMALL = WavLMConfig(
    hidden_size=16,
    num_hidden_layers=3,
    num_attention_heads=2,
    intermediate_size=24,
    conv_dim=[8] * 7,
    num_conv_pos_embedding_groups=2,
    num_conv_pos_embeddings=16,
    feat_extract_norm="layer",
    do_stable_layer_norm=True,
    conv_bias=True,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("wavlm")
    WavLMModel(SMALL).save_pretrained(path)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(path)
    return str(path)


def plain_score(folder, reference, decoded, layer):
    """Frame by frame, on the library's own hidden states of the waveforms as they are."""
    model = WavLMModel.from_pretrained(folder).eval()
    with torch.no_grad():
        states = [
            model(torch.from_numpy(wav)[None], output_hidden_states=True).hidden_states[layer][0]
            for wav in (reference, decoded)
        ]
    originals, copies = (state.double().numpy() for state in states)
    best = [max(c @ o / (np.linalg.norm(c) * np.linalg.norm(o)) for o in originals) for c in copies]
    return float(np.mean(best))


def test_the_score_is_the_mean_of_the_best_cosines(folder):
    decoded = noisy(WAV, 5)
    for layer in (1, 2):
        expected = plain_score(folder, WAV, decoded, layer)
        assert SpeechBert(folder, layer)(WAV, decoded, RATE) == pytest.approx(expected, abs=1e-5)


def test_a_copy_scores_one_at_any_length(folder):
    score = SpeechBert(folder, 2)
    assert score(WAV, WAV, RATE) == pytest.approx(1, abs=1e-5)
    assert score(WAV, WAV[:6000], RATE) <= 1


def test_it_is_precision_every_decoded_frame_looks_for_its_like():
    original = torch.eye(3)
    copy = torch.tensor([[2.0, 0, 0], [1, 1, 0]])
    assert best_match(copy, original) == pytest.approx((1 + 0.5**0.5) / 2)


def test_what_does_not_fit_is_refused(folder, tmp_path):
    with pytest.raises(ConfigError, match="has layers 0 to 3"):
        SpeechBert(folder)  # layer 14 of a model of three
    with pytest.raises(ConfigError, match="expected a name of conf/encoders, a hub id or a folder"):
        SpeechBert(str(tmp_path / "nowhere"))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CheckpointError):
        SpeechBert(str(tmp_path), 2)
    config = WhisperConfig(
        d_model=8, encoder_layers=1, decoder_layers=1, encoder_attention_heads=1,
        decoder_attention_heads=1, encoder_ffn_dim=8, decoder_ffn_dim=8, vocab_size=60,
        pad_token_id=1, bos_token_id=1, eos_token_id=1, decoder_start_token_id=1,
    )  # fmt: skip
    Whisper(config).save_pretrained(tmp_path / "whisper")
    with pytest.raises(ConfigError, match="expected WavLM or HuBERT"):
        SpeechBert(str(tmp_path / "whisper"), 1)
    with pytest.raises(CannotScore, match="reference too short: 399 samples, needs 400"):
        SpeechBert(folder, 2)(WAV[:399], WAV[:399], RATE)
    with pytest.raises(CannotScore, match="decoded signal is silent"):
        SpeechBert(folder, 2)(WAV, 0 * WAV, RATE)
