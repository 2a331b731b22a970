import os
import subprocess
import sys
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from codec_ssl.data.alignment import Segment
from codec_ssl.data.audio import audio_info, read_audio
from codec_ssl.data.espeak import Request, synthesize
from codec_ssl.data.mini_corpus import PAUSE, SIZES, make, phone_label, phone_segments, plan
from codec_ssl.data.mini_text import KEYWORDS, LANGUAGES
from codec_ssl.errors import DataError

pytest.importorskip("espeakng_loader")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """The corpus at its smallest size."""
    return make(tmp_path_factory.mktemp("mini"), "ci")


MAKE_A_FEW = """
import sys
from codec_ssl.data import mini_corpus
few = mini_corpus.Size({"train": 32, "valid": 4, "test": 4}, 0.4, (1, 1))
mini_corpus.SIZES["few"] = few
mini_corpus.make(sys.argv[1], "few")
"""


def test_another_process_makes_the_same_bytes(tmp_path):
    """Some voices of espeak-ng breathe, with noise that it seeds with the time of day."""
    roots = [tmp_path / "first", tmp_path / "second"]
    for root, hash_seed in zip(roots, ("1", "2"), strict=True):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", MAKE_A_FEW, str(root)]
        subprocess.run(command, check=True, env=environment)
    contents = [
        {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.*")}
        for root in roots
    ]
    assert len(contents[0]) > 40
    assert contents[0].keys() == contents[1].keys()
    for name in contents[0]:
        if name.endswith("wav.scp"):  # absolute paths
            contents[1][name] = contents[1][name].replace(*(str(r).encode() for r in roots[::-1]))
        assert contents[0][name] == contents[1][name], name


def test_sizes_are_as_said(corpus):
    assert [data_dir.path.name for data_dir in corpus] == ["train", "valid", "test"]
    assert len(corpus[0]) == 160
    seconds = sum(d.phones[utt][-1].end for d in corpus for utt in d.utt_ids)
    assert 4 * 60 < seconds < 6 * 60


def test_every_wav_is_16_khz_and_clean_and_not_silent(corpus):
    for data_dir in corpus:
        data_dir.validate(require_text=True)
        for utt_id in data_dir.utt_ids[::5]:
            source = data_dir.source(utt_id)
            assert audio_info(source).sample_rate == 16000
            wav, _ = read_audio(source)
            assert np.isfinite(wav).all()
            assert 0.1 < np.abs(wav).max() < 0.99
            assert len(wav) > 3000


def test_alignments_cover_the_utterance_without_gaps(corpus):
    for data_dir in corpus:
        for utt_id in data_dir.utt_ids:
            segments = data_dir.phones[utt_id]
            samples = audio_info(data_dir.source(utt_id)).num_samples
            assert segments[0].start == 0.0
            assert segments[-1].end == pytest.approx(samples / 16000, abs=2e-4)
            assert all(segment.end > segment.start for segment in segments)
            assert all(abs(left.end - right.start) < 2e-4 for left, right in pairwise(segments))
            pauses = [segment.label == PAUSE for segment in segments]
            assert not any(left and right for left, right in pairwise(pauses))


def test_the_phones_of_known_sentences_are_known():
    texts = ["measure the thin boy", "yes", "she sings"]
    said = synthesize([Request(text, "en+f1", 150, 50) for text in texts])
    phones = [
        [s.label for s in phone_segments(speech, len(speech.samples) / speech.sample_rate)]
        for speech in said
    ]
    spoken = ["".join(label for label in labels if label != PAUSE) for labels in phones]
    assert spoken == ["mɛʒəðəθɪnbɔɪ", "jɛs", "ʃisɪŋz"]


def test_phone_times_are_where_the_sound_changes():
    """In "sss..aaa" the fricative has its power above 3 kHz and the vowel below."""
    speech = next(synthesize([Request("sir", "en+m3", 120, 50)]))
    duration = len(speech.samples) / speech.sample_rate
    segments = phone_segments(speech, duration)
    fricative, vowel = (s for s in segments if s.label != PAUSE)

    def high_share(segment: Segment) -> float:
        first, last = (round(t * speech.sample_rate) for t in (segment.start, segment.end))
        power = np.abs(np.fft.rfft(speech.samples[first:last].astype(float))) ** 2
        frequency = np.fft.rfftfreq(last - first, 1 / speech.sample_rate)
        return power[frequency > 3000].sum() / power.sum()

    assert high_share(fricative) > 0.8
    assert high_share(vowel) < 0.2


def test_english_has_fewer_than_sixty_phones_and_all_vowels_and_rare_consonants(corpus):
    labels = {
        segment.label
        for data_dir in corpus
        for utt_id in data_dir.utt_ids
        if utt_id.startswith("en-")
        for segment in data_dir.phones[utt_id]
    }
    assert 40 <= len(labels) < 60
    assert {"ʒ", "ð", "θ", "ɔɪ", "ŋ", "tʃ", "dʒ", PAUSE} <= labels


def test_stress_and_length_marks_go():
    assert [phone_label(symbol) for symbol in ("ˈiː", "ˌaʊ", "a-", "əl", "", "tʃ")] == [
        "i",
        "aʊ",
        "a",
        "l",
        PAUSE,
        "tʃ",
    ]


def test_probes_have_what_they_need(corpus):
    train, _, test = corpus
    english = {spk for spk in train.utt2spk.values() if spk.startswith("en-")}
    assert len(english) == 8
    assert english <= set(test.utt2spk.values()) <= set(train.utt2spk.values())
    assert set(train.labels("lang").values()) == set(LANGUAGES)
    assert set(train.labels("gender").values()) == {"f", "m"}
    for data_dir, least in ((train, 8), (test, 2)):
        counts = Counter(data_dir.labels("keyword").values())
        assert set(counts) == set(KEYWORDS)
        assert min(counts.values()) >= least
        for utt_id, keyword in data_dir.labels("keyword").items():
            assert data_dir.text[utt_id] == keyword


@pytest.mark.parametrize("size", sorted(SIZES))
def test_no_sentence_is_in_two_utterances(size):
    sentences = [each.text for each in plan(SIZES[size], 0) if each.keyword is None]
    assert len(set(sentences)) == len(sentences)
    assert [each.text for each in plan(SIZES[size], 1)] != [
        each.text for each in plan(SIZES[size], 0)
    ]


def test_an_unknown_size_or_voice_is_named(tmp_path):
    with pytest.raises(DataError, match="found 'huge'"):
        make(tmp_path, "huge")
    with pytest.raises(DataError, match="no voice 'xx\\+f1'"):
        next(synthesize([Request("hello", "xx+f1", 150, 50)]))
