"""AudioSet as downloaders leave it, tiny."""

import numpy as np
import pytest
import soundfile

from codec_ssl.data.audio import read_audio
from codec_ssl.data.bad_audio import BadAudioLog
from codec_ssl.data.corpora import audioset
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError

# Ids as they are: eleven characters, with dashes and underscores anywhere.
IDS = ["--PJHxphWEs", "Yabcdefghij", "zz_zz-zz_30", "_30_0000000", "gone0000000", "0twofiles00"]
HEADER = (
    "# Segments csv created Sun Mar  5 10:54:31 2017\n# num_ytids=6, num_segs=6, num_unique_labels="
    "3, num_positive_labels=7\n# YTID, start_seconds, end_seconds, positive_labels\n"
)
CLASSES = (
    "index,mid,display_name\n0,/m/09x0r,Speech\n"
    '1,/m/05zppz,"Male speech, man speaking"\n2,/m/04rlf,Music\n'
)
# How each clip of the list above is called, by downloader; the fifth was not there any more.
LAYOUTS = {
    "ids": "{0}.flac",
    "with a Y": "Y{0}.wav",
    "start": "{0}_{1:g}.wav",
    "start with decimals": "{0}_{1:.3f}.wav",
    "start and end": "{0}_{1:.1f}-{2:.1f}.flac",
    "a Y, start and end": "Y{0}_{1:.3f}_{2:.3f}.wav",
    "milliseconds": "{0}_{3:d}_{4:d}.flac",
}
FOLDERS = {
    "eval": "eval_segments",
    "balanced_train": "audio/balanced_train_segments",
    "unbalanced_train": "audio/unbalanced_train_segments/unbalanced_train_segments_part00",
}


def write_table(folder, part, ids):
    rows = [f'{each}, {30 * i}.000, {30 * i + 10}.000, "/m/09x0r"\n' for i, each in enumerate(ids)]
    rows[1] = rows[1].replace("/m/09x0r", "/m/05zppz,/m/04rlf")
    (folder / f"{part}_segments.csv").write_text(HEADER + "".join(rows))


def write_clip(path, level):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(800, level), 16000)


def make(root, layout, part="eval"):
    write_table(root, part, IDS)
    for index, video in enumerate(IDS):
        if video != "gone0000000":
            start = 30 * index
            name = layout.format(video, start, start + 10, 1000 * start, 1000 * (start + 10))
            write_clip(root / FOLDERS[part] / name, 0.01 * index)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_clips_are_found_under_every_usual_name(tmp_path, layout):
    make(tmp_path, layout)
    (tmp_path / "class_labels_indices.csv").write_text(CLASSES)
    [made] = audioset.prepare(tmp_path, tmp_path / "data")
    names = {video: f"Y{video}_{30 * i}" for i, video in enumerate(IDS)}
    assert set(made.utt_ids) == set(names.values()) - {names["gone0000000"]}
    for index, video in enumerate(IDS):
        if video != "gone0000000":
            wav, _ = read_audio(made.source(names[video]))
            assert wav[0] == pytest.approx(0.01 * index, abs=1e-4)
    assert made.labels("label")[names["Yabcdefghij"]] == "Male speech, man speaking; Music"
    assert made.labels("mid")[names["Yabcdefghij"]] == "/m/05zppz,/m/04rlf"
    assert made.labels("label")[names["--PJHxphWEs"]] == "Speech"


def test_missing_clips_are_listed_and_counted(tmp_path, caplog):
    caplog.set_level("INFO")
    make(tmp_path, LAYOUTS["ids"])
    audioset.prepare(tmp_path, tmp_path / "data", ["eval"])
    missing = BadAudioLog.read(tmp_path / "data/eval_missing.tsv")
    assert [(e.utt_id, e.reason) for e in missing.entries] == [("Ygone0000000_120", "missing")]
    assert "5 of 6 clips are there, the other 1 are listed in" in caplog.text
    assert "utt2label has the ids" in caplog.text
    assert DataDir(tmp_path / "data/eval").labels("label")["Y0twofiles00_150"] == "/m/09x0r"


def test_a_clip_of_another_place_of_the_video_is_not_it(tmp_path):
    make(tmp_path, LAYOUTS["start"])
    write_clip(tmp_path / "more" / "gone0000000_77.wav", 0.1)
    [made] = audioset.prepare(tmp_path, tmp_path / "data")
    assert "Ygone0000000_120" not in made.utt_ids


def test_all_parts_that_are_there_are_made_and_subsets_have_their_hours(tmp_path):
    for part in ("balanced_train", "unbalanced_train"):
        make(tmp_path, LAYOUTS["with a Y"], part)
    made = audioset.prepare(tmp_path, tmp_path / "data")
    assert [each.path.name for each in made] == ["balanced_train", "unbalanced_train"]

    def chosen(seed, name):
        parts = audioset.prepare(tmp_path, tmp_path / name, ["balanced_train"], 25 / 3600, seed)
        assert parts[1].path.name == f"balanced_train_{25 / 3600:g}h"
        return parts[1].utt_ids

    first = chosen(0, "a")
    assert len(first) == 3  # clips of ten seconds: the first sum above 25
    assert first == chosen(0, "b") and any(chosen(s, f"c{s}") != first for s in range(1, 5))


def test_a_part_of_which_nothing_was_downloaded_is_left_out_unless_it_was_asked_for(
    tmp_path, caplog
):
    make(tmp_path, LAYOUTS["ids"])
    write_table(tmp_path, "unbalanced_train", [f"other{i:06d}" for i in range(3)])
    assert [each.path.name for each in audioset.prepare(tmp_path, tmp_path / "a")] == ["eval"]
    assert "none of the 3 clips of unbalanced_train" in caplog.text
    with pytest.raises(DataError, match="none of the 3 clips of unbalanced_train"):
        audioset.prepare(tmp_path, tmp_path / "b", ["unbalanced_train"])


def test_a_folder_without_clips_or_tables_is_named(tmp_path):
    write_table(tmp_path, "eval", IDS)
    with pytest.raises(DataError, match=r"none of the 6 clips of eval .*--PJHxphWEs_0\.wav"):
        audioset.prepare(tmp_path, tmp_path / "data")
    with pytest.raises(DataError, match=r"expected AudioSet's balanced_train_segments\.csv, found"):
        audioset.prepare(tmp_path, tmp_path / "data", ["balanced_train"])
    with pytest.raises(DataError, match=r"eval_segments\.csv, found no such folder"):
        audioset.prepare(tmp_path / "nowhere", tmp_path / "data")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("abcdefghijk, 30.000\n", "line 10: expected video, start, end and labels"),
        ("abcdefghijk, x, 40.000, /m/04rlf\n", "line 10: expected video, start"),
        ('abcdefghijk, 40, 30, "/m/04rlf"\n', "line 10: expected a clip that ends after"),
    ],
)
def test_a_malformed_row_is_named(tmp_path, line, message):
    make(tmp_path, LAYOUTS["ids"])
    table = tmp_path / "eval_segments.csv"
    table.write_text(table.read_text() + line)
    with pytest.raises(DataError, match=message):
        audioset.prepare(tmp_path, tmp_path / "data")


def test_a_malformed_table_of_classes_is_named(tmp_path):
    make(tmp_path, LAYOUTS["ids"])
    (tmp_path / "class_labels_indices.csv").write_text("mid;name\n")
    with pytest.raises(DataError, match="expected rows of index, mid and display name"):
        audioset.prepare(tmp_path, tmp_path / "data")
