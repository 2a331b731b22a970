import pytest

from codec_ssl.data.bad_audio import BadAudio, BadAudioLog
from codec_ssl.errors import DataError


def test_the_table_is_sorted_and_reads_back(tmp_path):
    log = BadAudioLog()
    log.add("b", "/x y.wav", "missing", "no such\tfile\n")
    log.add_error("a", BadAudio("/z.wav", "empty", "0 bytes"))
    path = tmp_path / "bad_audio.tsv"
    log.write(path)
    assert path.read_text() == (
        "utt_id\tpath\treason\tdetail\n"
        "a\t/z.wav\tempty\t0 bytes\n"
        "b\t/x y.wav\tmissing\tno such file\n"
    )
    assert BadAudioLog.read(path).entries == log.entries


def test_an_empty_log_is_written_too_so_that_none_differs_from_not_run(tmp_path):
    BadAudioLog().write(tmp_path / "bad_audio.tsv")
    assert len(BadAudioLog.read(tmp_path / "bad_audio.tsv")) == 0


def test_merging_jobs_counts_each_utterance_once():
    first, second = BadAudioLog(), BadAudioLog()
    first.add("a", "/a", "empty", "")
    second.add("a", "/a", "empty", "")
    second.add("b", "/b", "missing", "")
    first.merge(second)
    assert first.reasons() == {"empty": 1, "missing": 1}


@pytest.mark.parametrize(("bad", "fails"), [(0, False), (1, False), (2, True)])
def test_the_stage_fails_above_the_rate_and_names_the_table(tmp_path, bad, fails):
    log = BadAudioLog()
    for index in range(bad):
        log.add(f"u{index}", f"/{index}.wav", "truncated", "expected 5, found 3")
    log.write(tmp_path / "bad_audio.tsv")
    if not fails:
        log.check_rate(100, 0.01)
        return
    with pytest.raises(DataError, match=r"2 of 100 .*2 truncated.*u0: /0.wav.*bad_audio\.tsv"):
        log.check_rate(100, 0.01)


def test_a_rate_of_zero_allows_none():
    log = BadAudioLog()
    log.check_rate(10, 0.0)
    log.add("u", "/a", "empty", "")
    with pytest.raises(DataError):
        log.check_rate(10, 0.0)


def test_another_file_is_not_taken_for_the_table(tmp_path):
    (tmp_path / "x").write_text("utt path\n")
    with pytest.raises(DataError, match="x:1"):
        BadAudioLog.read(tmp_path / "x")
