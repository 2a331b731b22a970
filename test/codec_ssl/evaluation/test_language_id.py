"""Languages of hypotheses, counted by hand."""

import pytest

from codec_ssl.evaluation.language_id import identify

LANGUAGES = {"a": "eng", "b": "eng", "c": "deu", "d": "epo"}
HYPOTHESES = {"a": "[eng] ONE TO", "b": "[deu] TEN", "c": "EIN", "d": "[epo] TRIO [eng]", "e": ""}


def test_the_first_token_is_the_language_and_none_is_wrong():
    found = identify(LANGUAGES, HYPOTHESES)
    assert found.found == {"a": "eng", "b": "deu", "c": "none", "d": "epo"}
    assert found.right() == [True, False, False, True] and found.accuracy() == 0.5
    assert found.right(["d"]) == [True] and found.accuracy(["b", "c"]) == 0


def test_the_commonest_mistake_of_a_language_is_told():
    languages = dict.fromkeys("abcde", "eng")
    heard = {"a": "[deu]", "b": "[fra]", "c": "[fra]", "d": "[eng]", "e": "[deu] A"}
    found = identify(languages, heard)
    # Of two that are as common, the first by name.
    assert found.mistaken_for(list("abcde")) == "deu"
    assert found.mistaken_for(["b", "c", "d"]) == "fra" and found.mistaken_for(["d"]) == ""


def test_the_interval_is_that_of_a_share():
    languages = {str(number): "eng" for number in range(400)}
    heard = {utt: "[eng]" if int(utt) % 4 else "[deu]" for utt in languages}
    low, high = identify(languages, heard).interval()
    deviation = (0.75 * 0.25 / 400) ** 0.5
    assert (low, high) == pytest.approx(
        (0.75 - 1.96 * deviation, 0.75 + 1.96 * deviation), abs=0.01
    )
