"""What is to be spoken, by whom, in which language."""

import pytest
import toy_tts

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import ConfigError, DataError
from codec_ssl.tts.durations import FrameGrid
from codec_ssl.tts.experiment import Facts
from codec_ssl.tts.phone_store import PhoneStore, Statistics
from codec_ssl.tts.script import Reading, Script, make_lines, read_script, spoken_script
from codec_ssl.tts.symbols import Symbols

ENGLISH = ["h", "ə", "l", "əʊ", "w", "ɜ", "d", "sil"]


def facts(symbols=ENGLISH, speakers=(), languages=("en",)):
    one = Statistics(0.0, 1.0)
    grid = FrameGrid(16000, 320, 160.0)
    return Facts(Symbols(symbols), list(speakers), list(languages), one, one, grid, [16], None)


def test_a_text_is_spoken_by_espeak_in_the_trainings_only_language():
    lines = make_lines(read_script("hello", None, None), Reading(), facts())
    assert [s for s in lines["spoken"].symbols if s != "sil"] == ["h", "ə", "l", "əʊ"]
    assert lines["spoken"].known is None and lines["spoken"].speaker == ""


def test_a_file_of_texts_and_a_data_dir_give_their_utterances(tmp_path):
    (tmp_path / "text").write_text("u1 hello\nu2 hello\n")
    assert read_script(str(tmp_path / "text"), None, None).utt_ids == ["u1", "u2"]
    data_dir = toy_tts.make_set(tmp_path, "some", 2, 0)
    script = read_script(None, data_dir.path, None)
    assert script.texts == data_dir.text and set(script.languages.values()) == {"toy"}
    assert sorted(set(script.speakers.values())) == ["ann", "bob"]
    with pytest.raises(ConfigError, match="found both"):
        read_script("hello", data_dir.path, None)
    bare = DataDir.write(tmp_path / "bare", wav=data_dir.wav_scp, utt2spk=data_dir.utt2spk)
    with pytest.raises(DataError, match="expected texts to speak"):
        read_script(None, bare.path, None)


def test_unknown_symbols_are_named_or_left_out():
    script = Script(texts={"u1": "h ə", "u2": "h ʒ ə"})
    with pytest.raises(DataError, match=r"utterance u2: .*'ʒ'.*--unknown_symbols skip"):
        make_lines(script, Reading("phones"), facts())
    lines = make_lines(script, Reading("phones", unknown="skip"), facts())
    assert lines["u2"].symbols == ["h", "ə"]


def test_speaker_and_language_must_be_known():
    several = facts(speakers=("ann", "bob"), languages=("de", "en"))
    script = Script(texts={"u1": "h ə"}, speakers={"u1": "bob"})
    assert make_lines(script, Reading("phones"), several)["u1"].speaker == "bob"
    by_ann = Reading("phones", speaker="ann")
    assert make_lines(script, by_ann, several)["u1"].speaker == "ann"
    with pytest.raises(ConfigError, match="utterance u1: expected --speaker, one of ann, bob"):
        make_lines(Script(texts={"u1": "h ə"}), Reading("phones"), several)
    with pytest.raises(ConfigError, match=r"expected --language.*the training had de, en"):
        make_lines(Script(texts={"u1": "hello"}), Reading(), several)
    with pytest.raises(ConfigError, match=r"utterance u1: .*speakers.*ann, bob, found 'eve'"):
        several.speaker_number("u1", "eve")
    spoken = spoken_script(script, make_lines(script, by_ann, several))
    assert spoken.speakers == {"u1": "ann"}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    root = tmp_path_factory.mktemp("store")
    toy_tts.make_material(root, {"some": 3}, toy_tts.make_codec(root / "codec"))
    return root / "phones/some"


def test_the_phones_of_a_store_are_spoken_with_its_prosody_or_without(store):
    found = PhoneStore(store)
    told = facts(found.symbols, found.speakers)
    script = read_script(None, None, store)
    for given in (True, False):
        lines = make_lines(script, Reading(given=given), told)
        for utt, line in lines.items():
            assert line.symbols == found[utt].symbols and line.speaker == found[utt].speaker
            assert (line.known is not None) == given
    fewer = facts([s for s in found.symbols if s != "sil"], found.speakers)
    with pytest.raises(DataError, match="utterance"):
        make_lines(script, Reading(), fewer)
    lines = make_lines(script, Reading(unknown="skip"), fewer)
    assert all("sil" not in line.symbols for line in lines.values())
    with pytest.raises(ConfigError, match="--teacher true: expected --phones"):
        make_lines(Script(texts={"u": "hello"}), Reading(given=True), told)
