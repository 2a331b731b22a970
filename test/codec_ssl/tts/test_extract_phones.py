"""Phones of a data dir: what is measured, jobs and kills, and what cannot be used."""

import numpy as np
import pytest
import toy_tts

from codec_ssl.data.alignment import Segment, write_ctm
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError
from codec_ssl.tts.extract_phones import PhoneExtractor
from codec_ssl.tts.frames import open_frames
from codec_ssl.tts.phone_store import PhoneStore
from codec_ssl.tts.prosody import PitchOptions


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phones")
    codec = toy_tts.make_codec(folder / "codec")
    return toy_tts.make_material(folder, {"train": 9}, codec)


def extractor(root, out, name="train", frames="codes", **options):
    return PhoneExtractor(
        DataDir(root / "data" / name), open_frames(root / frames / "train"), out, **options
    )


def test_frames_add_up_and_pitch_is_that_of_the_sounds(root):
    store, frames = PhoneStore(root / "phones/train"), open_frames(root / "codes/train")
    assert store.utt_ids == DataDir(root / "data/train").utt_ids
    assert store.symbols == sorted({s for row in store.values() for s in row.symbols})
    assert (store.speakers, store.languages) == (["ann", "bob"], ["toy"])
    errors = []
    for utt, row in store.items():
        assert row.durations.sum() == len(row.f0) == frames.lengths[utt]
        factor = 1.2 if row.speaker == "bob" else 1.0
        for symbol, pitch, energy, count in zip(
            row.symbols, row.pitch, row.energy, row.durations, strict=True
        ):
            if symbol in toy_tts.PITCH and count > 3:
                errors.append(np.exp(pitch) / (toy_tts.PITCH[symbol] * factor) - 1)
            if symbol == "sil" and count > 4:
                assert energy < 0.3 * row.energy.max()
    assert len(errors) > 15 and np.median(np.abs(errors)) < 0.02


def test_statistics_are_those_of_all_phones(root):
    store = PhoneStore(root / "phones/train")
    for name in ("pitch", "energy"):
        values = np.concatenate([getattr(row, name) for row in store.values()])
        found = store.statistics(name)
        assert found.mean == pytest.approx(np.nanmean(values), rel=1e-5)
        assert found.deviation == pytest.approx(np.nanstd(values), rel=1e-4)


@pytest.mark.parametrize("num_jobs", [1, 2, 7])
def test_any_number_of_jobs_gives_the_same_bytes(root, tmp_path, num_jobs):
    for job in range(1, num_jobs + 1):
        extractor(root, tmp_path, part_utterances=2).run(job, num_jobs)
    made = extractor(root, tmp_path, part_utterances=2)
    made.finalize()
    assert made.is_finished() and not list(tmp_path.glob("part-*"))
    whole = extractor(root, tmp_path / "whole", part_utterances=2)
    whole.run()
    whole.finalize()
    name = "phones.safetensors"
    assert (tmp_path / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_killed_job_goes_on_at_its_first_missing_part(root, tmp_path, monkeypatch):
    made = extractor(root, tmp_path, part_utterances=3)
    made.run(1, 2)
    with pytest.raises(DataError, match=r"expected 3 parts, found 1 missing, the first part-00001"):
        made.finalize()
    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("part-*")}
    made.run()
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())
    assert len(made.finalize()) == 9


def test_phones_of_something_else_are_not_mixed_in(root, tmp_path):
    extractor(root, tmp_path).run()
    with pytest.raises(DataError, match=r"made of the same model, data and options.*plan.json"):
        extractor(root, tmp_path, options=PitchOptions(f0_min=60.0))


@pytest.fixture
def spoilt(root, tmp_path):
    """A copy of the data dir whose utterances are spoilt in three ways."""
    source = DataDir(root / "data/train")
    missing, long, broken, silent = source.utt_ids[:4]
    phones = {utt: list(segments) for utt, segments in source.phones.items() if utt != missing}
    phones[long] = [Segment(0.0, 9.0, "a")]
    wav = dict(source.wav_scp)
    (tmp_path / "broken.wav").write_bytes(b"no audio")
    wav[broken] = str(tmp_path / "broken.wav")
    toy_tts.write_wav(tmp_path / "silent.wav", np.zeros(16000), 16000)
    wav[silent] = str(tmp_path / "silent.wav")
    DataDir.write(tmp_path / "data/bad", wav=wav, utt2spk=source.utt2spk, phones=phones)
    (tmp_path / "codes").symlink_to(root / "codes")
    return tmp_path, (missing, long, broken, silent)


def test_what_cannot_be_used_is_reported_and_too_much_of_it_fails(spoilt):
    root, (missing, long, broken, silent) = spoilt
    made = extractor(root, root / "out", "bad", max_bad_rate=0.5)
    made.run()
    store = made.finalize()
    assert len(store) == 6 and {missing, long, broken} == set(store.skipped)
    assert [store.skipped[utt][1] for utt in (missing, long, broken)] == [
        "no_alignment",
        "misaligned",
        "unreadable",
    ]
    assert "expected an alignment of" in (root / "out/unusable.tsv").read_text()
    with pytest.raises(DataError, match="3 of 9 utterances"):
        extractor(root, root / "strict", "bad").run()
    # Nothing is voiced: the pitch is not known, and does not enter the statistics.
    assert np.isnan(store[silent].pitch).all() and np.isfinite(store.statistics("pitch").mean)
    assert store[silent].language == ""


def test_a_data_dir_without_alignments_or_of_other_utterances_is_refused(root, tmp_path):
    source = DataDir(root / "data/train")
    (tmp_path / "codes").symlink_to(root / "codes")
    DataDir.write(tmp_path / "data/bare", wav=source.wav_scp, utt2spk=source.utt2spk)
    with pytest.raises(DataError, match=r"expected alignments in phones\.ctm"):
        extractor(tmp_path, tmp_path / "out", "bare")
    other = {"other": source.wav_scp[source.utt_ids[0]]}
    DataDir.write(tmp_path / "data/other", wav=other, utt2spk={"other": "x"})
    write_ctm(tmp_path / "data/other/phones.ctm", {"other": [Segment(0, 1, "a")]})
    with pytest.raises(DataError, match="has no utterance of"):
        extractor(tmp_path, tmp_path / "out", "other")


def test_a_store_that_is_not_there_or_damaged_is_an_error(root, tmp_path):
    with pytest.raises(DataError, match="expected phones of tts_phones"):
        PhoneStore(tmp_path)
    whole = (root / "phones/train/phones.safetensors").read_bytes()
    (tmp_path / "phones.safetensors").write_bytes(whole[:-10])
    with pytest.raises(DataError, match="rerun stage 'phones'"):
        PhoneStore(tmp_path)
