"""Whisper in transformers' own format: small, random, with a tokenizer of a few words."""

import json

import numpy as np
import pytest
import torch
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    WhisperTokenizer,
)
from voice import RATE, voice

from codec_ssl.errors import CheckpointError
from codec_ssl.evaluation.pair import CannotScore
from codec_ssl.evaluation.whisper_wer import WhisperWer, count_errors

WAV = voice(1.0)


def test_errors_are_words_after_normalisation():
    found = count_errors("the cat sat", "the bat sat down")
    assert (found.errors, found.words) == (2, 3)
    assert count_errors("yes", "").errors == 1


def save_whisper(folder):
    """A multilingual model: letters and whole words as tokens, then Whisper's special ones."""
    letters = [*"abcdefghijklmnopqrstuvwxyz", "Ġ", "<|endoftext|>"]
    special = ["<|startoftranscript|>", "<|en|>", "<|de|>", "<|translate|>", "<|transcribe|>"]
    special += ["<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    stamps = [f"<|{0.02 * n:.2f}|>" for n in range(1501)]
    vocabulary = {token: number for number, token in enumerate(letters)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = WhisperTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), pad_token="<|endoftext|>"
    )
    tokenizer.add_special_tokens({"additional_special_tokens": special})
    tokenizer.add_tokens(stamps)
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in [*letters, *special, *stamps]}
    end = ids["<|endoftext|>"]
    config = WhisperConfig(
        vocab_size=len(tokenizer), d_model=16, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16,
        decoder_ffn_dim=16, max_target_positions=32, pad_token_id=end, bos_token_id=end,
        eos_token_id=end, decoder_start_token_id=ids["<|startoftranscript|>"],
        begin_suppress_tokens=None, suppress_tokens=None,
    )  # fmt: skip
    torch.manual_seed(0)
    model = WhisperForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        decoder_start_token_id=ids["<|startoftranscript|>"],
        eos_token_id=end,
        pad_token_id=end,
        bos_token_id=end,
        lang_to_id={"<|en|>": ids["<|en|>"], "<|de|>": ids["<|de|>"]},
        task_to_id={"transcribe": ids["<|transcribe|>"], "translate": ids["<|translate|>"]},
        no_timestamps_token_id=ids["<|notimestamps|>"],
        is_multilingual=True,
        return_timestamps=False,
        max_length=12,
        max_initial_timestamp_index=50,
        prev_sot_token_id=ids["<|startofprev|>"],
    )
    model.save_pretrained(folder)
    WhisperProcessor(WhisperFeatureExtractor(), tokenizer).save_pretrained(folder)
    return ids


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whisper")
    return str(folder), save_whisper(folder)


def biased(scorer, token, end):
    """Make the network say one token, then end: the whole path but for what was learnt."""
    with torch.no_grad():
        head = scorer._model.proj_out
        head.weight.zero_()
        bias = torch.full((head.out_features,), -10.0)
        bias[token] = 5.0
        bias[end] = 4.0
    head.bias = torch.nn.Parameter(bias)
    return scorer


def test_what_the_network_says_is_compared_with_the_text(made):
    folder, ids = made
    scorer = biased(WhisperWer(folder, "en"), ids["a"], ids["<|endoftext|>"])
    heard = scorer.transcribe(WAV, RATE)
    assert heard and set(heard) == {"a"}
    found = scorer(WAV, RATE, heard.upper() + ", B!")
    assert (found.errors, found.words, found.transcript) == (1, 2, heard)


def test_the_same_is_heard_at_another_rate_and_without_a_language(made):
    folder, ids = made
    for language in ("", "de"):
        scorer = biased(WhisperWer(folder, language), ids["b"], ids["<|endoftext|>"])
        heard = scorer.transcribe(np.repeat(WAV, 2), 2 * RATE)
        assert heard and set(heard) == {"b"}


def test_generation_is_the_librarys_own_greedy_search(made):
    folder, _ = made
    scorer = WhisperWer(folder, "en")
    processor = WhisperProcessor.from_pretrained(folder)
    inputs = processor(WAV, sampling_rate=RATE, return_tensors="pt", return_attention_mask=True)
    tokens = WhisperForConditionalGeneration.from_pretrained(folder).generate(
        **inputs, language="en", task="transcribe", num_beams=1
    )
    [expected] = processor.batch_decode(tokens, skip_special_tokens=True)
    assert scorer.transcribe(WAV, RATE) == scorer._normalize(expected).strip()


def test_audio_beyond_thirty_seconds_is_heard_in_windows(made):
    folder, ids = made
    scorer = biased(WhisperWer(folder, "en"), ids["c"], ids["<|endoftext|>"])
    assert isinstance(scorer.transcribe(np.tile(WAV, 31), RATE), str)


def test_without_words_or_sound_there_is_no_score(made):
    scorer = WhisperWer(made[0], "en")
    for text in (None, "", "...", "[noise]"):
        with pytest.raises(CannotScore, match="no transcript"):
            scorer(WAV, RATE, text)
    with pytest.raises(CannotScore, match="decoded signal is silent"):
        scorer(0 * WAV, RATE, "a word")
    with pytest.raises(CannotScore, match="needs 4000"):
        scorer(WAV[:200], RATE, "a word")


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=str(tmp_path)):
        WhisperWer(str(tmp_path))
