"""A listening page: what it holds, that it is blind, and that it plays and rates in a browser."""

import base64
import csv
import io
import json
import re
from collections import Counter

import browser
import numpy as np
import pytest
import soundfile
from voice import RATE, voice

from codec_ssl.bin import listening_page
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import ConfigError, DataError
from codec_ssl.report.listening import PageOptions, draw_utterances, write_page

SYSTEMS = ("k-means", "rep<codec>")
UTTERANCES = [f"</script>&{n}" for n in range(5)]


def write_dir(folder, wavs, rate=RATE):
    folder.mkdir(parents=True)
    paths = {}
    for number, (utt_id, wav) in enumerate(sorted(wavs.items())):
        paths[utt_id] = str(folder / f"{number}.wav")
        soundfile.write(paths[utt_id], wav, rate)
    return DataDir.write(folder, wav=paths, utt2spk=dict.fromkeys(wavs, "s"))


@pytest.fixture(scope="module")
def dirs(tmp_path_factory):
    """Clips of 0.5, 0.6, ... s; the recordings at another rate; one system lacks an utterance."""
    root = tmp_path_factory.mktemp("a listening test")
    wavs = {utt: voice(0.5 + n / 10, n) for n, utt in enumerate(UTTERANCES)}
    reference = write_dir(root / "ref", {u: np.repeat(w, 2) for u, w in wavs.items()}, 2 * RATE)
    first = write_dir(root / "first", {utt: 0.5 * wav for utt, wav in wavs.items()})
    second = write_dir(root / "second", {utt: 0.7 * wavs[utt] for utt in UTTERANCES[1:]})
    return reference, dict(zip(SYSTEMS, (first, second), strict=True))


@pytest.fixture(scope="module")
def page(dirs, tmp_path_factory):
    """A page of three sentences, its folder and its data."""
    out = tmp_path_factory.mktemp("page")
    reference, systems = dirs
    options = PageOptions("A <test> & more")
    write_page(out, reference, systems, draw_utterances(reference, systems, 3, 0), options)
    return out, data_of(out)


def data_of(folder):
    html = (folder / "index.html").read_text()
    return json.loads(re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1])


def test_utterances_are_drawn_by_seed_from_those_that_all_have(dirs):
    draws = [draw_utterances(*dirs, 3, seed) for seed in range(20)]
    assert draws[0] == draw_utterances(*dirs, 3, 0)
    assert {len(set(draw)) for draw in draws} == {3} and len(set(map(tuple, draws))) > 2
    assert {utt for draw in draws for utt in draw} == set(UTTERANCES[1:])
    assert draw_utterances(*dirs, 9, 0) == UTTERANCES[1:]
    lonely = write_dir(dirs[0].path.parent / "lonely", {"x": voice(0.3)})
    with pytest.raises(DataError, match=r"found none among .*'lonely': 1"):
        draw_utterances(dirs[0], {"lonely": lonely}, 3, 0)


def test_clips_are_what_the_systems_made_at_one_rate(page, dirs):
    out, data = page
    for sentence in data["sentences"]:
        number = UTTERANCES.index(sentence["utterance"])
        assert [clip["system"] for clip in sentence["clips"]] == [*SYSTEMS, "reference"]
        for clip in sentence["clips"]:
            wav, rate = soundfile.read(out / clip["source"])
            assert rate == RATE and len(wav) == round((0.5 + number / 10) * RATE)
        found, _ = soundfile.read(out / sentence["clips"][1]["source"])
        made, _ = soundfile.read(dirs[1][SYSTEMS[1]].wav_scp[sentence["utterance"]])
        np.testing.assert_array_equal(found, made)


def test_neither_names_nor_places_of_files_tell_the_system(page):
    out, data = page
    html = (out / "index.html").read_text()
    shown = html.replace(re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1], "")
    for name in (*SYSTEMS, "k-means", "codec", "second"):
        assert name not in shown
    files = {path.name for path in (out / "clips").iterdir()}
    assert files == {f"{c['id']}.wav" for s in data["sentences"] for c in s["clips"]}
    assert all(re.fullmatch(r"[0-9a-f]{12}\.wav", name) for name in files) and len(files) == 9
    assert "A &lt;test&gt; &amp; more" in html and "http" not in html


def test_a_page_can_be_one_file_and_begin_with_the_recording(dirs, tmp_path):
    utt_ids = draw_utterances(*dirs, 2, 0)
    options = PageOptions(inline=True, open_reference=True)
    first = write_page(tmp_path, *dirs, utt_ids, options)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
    for sentence in data_of(tmp_path)["sentences"]:
        kind, _, content = sentence["clips"][0]["source"].partition(",")
        wav, _ = soundfile.read(io.BytesIO(base64.b64decode(content)))
        assert kind == "data:audio/wav;base64" and len(wav) >= 0.5 * RATE
        assert sentence["original"] == sentence["clips"][-1]["source"]
    assert write_page(tmp_path, *dirs, utt_ids, options) == first
    assert write_page(tmp_path, *dirs, utt_ids[:1], options) != first


@pytest.mark.parametrize("names", [["reference"], [], [f"s{n}" for n in range(26)]])
def test_systems_that_cannot_be_labelled_are_refused(dirs, tmp_path, names):
    systems = dict.fromkeys(names, dirs[1][SYSTEMS[0]])
    with pytest.raises(ConfigError, match="from 1 to 25 systems, none of which is called ref"):
        write_page(tmp_path, dirs[0], systems, UTTERANCES[:1])


def test_the_command_makes_a_page(dirs, call, tmp_path):
    reference, systems = dirs
    given = f"one={systems[SYSTEMS[0]].path},two={systems[SYSTEMS[1]].path}"
    options = ["--systems", given, "--reference", reference.path, "--out", tmp_path / "out"]
    call(listening_page, *options, "--num", 2, "--sample_rate", 8000, "--inline", "true")
    data = data_of(tmp_path / "out")
    assert len(data["sentences"]) == 2 and data["title"] == "Listening test"
    _, _, content = data["sentences"][0]["clips"][0]["source"].partition(",")
    assert soundfile.info(io.BytesIO(base64.b64decode(content))).samplerate == 8000


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """A browser; tests that need one are skipped where there is none."""
    program = browser.find()
    if program is None:
        pytest.skip(f"no Chromium: none of {', '.join(browser.NAMES)} on PATH, CHROMIUM not set")
    with browser.Browser(program, tmp_path_factory.mktemp("browser")) as opened:
        yield opened


def open_page(chromium, page, listener):
    out, _ = page
    chromium.open(f"{(out / 'index.html').as_uri()}?listener={listener}")


def test_every_clip_plays_and_only_one_at_a_time(chromium, page):
    open_page(chromium, page, 1)
    chromium.wait("rows.every(row => row.audio.readyState >= 1)")
    durations = chromium.run("rows.map(row => [row.utterance, row.audio.duration])")
    for utterance, seconds in durations:
        assert seconds == pytest.approx(0.5 + UTTERANCES.index(utterance) / 10, abs=0.01)
    assert len(durations) == 9 and not chromium.run("rows[0].audio.currentTime")
    chromium.run("rows[0].audio.play()")
    chromium.wait("rows[0].audio.currentTime > 0.05")
    chromium.run("rows[4].audio.play()")
    chromium.wait("rows[4].audio.currentTime > 0.05")
    assert chromium.run("rows[0].audio.paused && !rows[4].audio.paused")
    assert chromium.run("rows.map(row => row.plays)") == [1, 0, 0, 0, 1, 0, 0, 0, 0]
    chromium.wait("rows[4].audio.ended")


def test_the_order_is_the_listeners_own_and_every_place_is_as_likely(chromium, page):
    open_page(chromium, page, 5)
    order = "playlist({}).map(row => [row.utterance, row.system])"
    assert chromium.run(order.format(5)) == chromium.run("rows.map(r => [r.utterance, r.system])")
    listeners = 600
    many = chromium.run(f"Array.from({{length: {listeners}}}, (_, n) => {order.format('n + 1')})")
    # Of 3! * 3!^3 = 1296 orders, 600 draws meet about 1296 (1 - exp(-600 / 1296)) = 480.
    assert 440 < len({json.dumps(each) for each in many}) < 520
    everything = Counter(
        (s["utterance"], c["system"]) for s in page[1]["sentences"] for c in s["clips"]
    )
    assert all(Counter(map(tuple, each)) == everything for each in many)
    # Of 600 listeners, 200 +- 12 (one deviation) find a system first, and a sentence.
    first_systems = Counter(each[0][1] for each in many)
    first_sentences = Counter(each[0][0] for each in many)
    for found in (first_systems, first_sentences):
        assert len(found) == 3 and all(150 < count < 250 for count in found.values())


def test_what_is_seen_does_not_tell_the_system(chromium, page):
    open_page(chromium, page, 3)
    seen = chromium.run("document.body.innerText + document.getElementById('sentences').innerHTML")
    for name in (*SYSTEMS, "k-means", "codec", "reference"):
        assert name not in seen
    for label in ("Sentence 3", "Clip A", "Clip B", "Clip C", "0 of 9 clips rated"):
        assert label in seen


def test_keys_play_move_and_rate(chromium, page):
    open_page(chromium, page, 77)
    chromium.press(" ")
    chromium.wait("rows[0].audio.currentTime > 0.05")
    chromium.press("4")
    chromium.press("ArrowDown")
    chromium.press("2")
    assert chromium.run("rows.map(row => row.rating)") == [4, 2, *[None] * 7]
    assert chromium.run("document.querySelector('.current legend').textContent") == "Clip B"
    checked = "[...document.querySelectorAll('input:checked')].map(b => b.value)"
    assert chromium.run(checked) == ["4", "2"]
    assert "2 of 9 clips rated" in chromium.run("document.body.innerText")
    chromium.press("ArrowUp")
    chromium.press("5")
    chromium.press("7")
    assert chromium.run("rows.map(row => row.rating)")[:2] == [5, 2]


def test_downloads_hold_ratings_key_and_listener(chromium, page):
    _, data = page
    open_page(chromium, page, 424242)
    chromium.run(
        "document.querySelectorAll('.scale').forEach((scale, n) => { if (n < 8)"
        " scale.querySelectorAll('input')[n % 5].click(); })"
    )
    chromium.run("document.getElementById('json').click()")
    chromium.run("document.getElementById('csv').click()")
    name = f"ratings_{data['id']}_424242"
    results = json.loads(chromium.downloaded(f"{name}.json"))
    assert (results["page"], results["listener"]) == (data["id"], 424242)
    rows = results["ratings"]
    assert [row["rating"] for row in rows] == [1, 2, 3, 4, 5, 1, 2, 3, None]
    assert [row["position"] for row in rows] == list(range(1, 10))
    key = {c["id"]: (s["utterance"], c["system"]) for s in data["sentences"] for c in s["clips"]}
    assert {row["clip"]: (row["utterance"], row["system"]) for row in rows} == key
    table = list(csv.DictReader(io.StringIO(chromium.downloaded(f"{name}.csv"))))
    assert [row["rating"] for row in table] == ["1", "2", "3", "4", "5", "1", "2", "3", ""]
    assert {row["listener"] for row in table} == {"424242"}
    assert [row["system"] for row in table] == [row["system"] for row in rows]


def test_ratings_outlive_a_reload_and_are_the_listeners_own(chromium, page):
    open_page(chromium, page, 31)
    chromium.press("3")
    open_page(chromium, page, 32)
    assert chromium.run("rows.filter(row => row.rating).length") == 0
    open_page(chromium, page, 31)
    assert chromium.run("rows[0].rating") == 3
    assert chromium.run("document.querySelector('input:checked').value") == "3"
    assert chromium.run("document.getElementById('listener').value") == "31"


def test_clips_in_the_page_play_too_and_nothing_is_fetched(chromium, dirs, tmp_path):
    options = PageOptions(inline=True, open_reference=True)
    write_page(tmp_path, *dirs, draw_utterances(*dirs, 1, 0), options)
    chromium.requests.clear()
    chromium.open((tmp_path / "index.html").as_uri())
    assert chromium.run("document.querySelectorAll('audio').length") == 4
    chromium.run("rows[2].audio.play()")
    chromium.wait("rows[2].audio.currentTime > 0.05")
    assert {url.partition(":")[0] for url in chromium.requests} <= {"file", "data"}
