"""Error rates against a plain edit distance and against tables known from elsewhere."""

import numpy as np
import pytest

from codec_ssl.errors import DataError
from codec_ssl.evaluation.asr_wer import align, groups_of, score_table
from codec_ssl.evaluation.bootstrap import accuracy_interval, ratio_interval

REFERENCES = {"a": "the cat sat", "b": "on the mat", "c": "yes"}
HYPOTHESES = {"a": "the cat sat", "b": "on a mat now", "c": ""}


def distance(reference, hypothesis):
    """Least number of edits, by the table of all prefixes."""
    row = list(range(len(hypothesis) + 1))
    for i, wanted in enumerate(reference, 1):
        before, row[0] = row[0], i
        for j, found in enumerate(hypothesis, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (wanted != found))
    return row[-1]


def draw(count, seed=0):
    random = np.random.default_rng(seed)
    return {
        f"u{n}": " ".join(random.choice(list("abcd"), random.integers(1, 9))) for n in range(count)
    }


@pytest.mark.parametrize("unit", ["word", "character"])
def test_errors_are_the_least_number_of_edits(unit):
    references, hypotheses = draw(60), draw(60, 1)
    scored = align(references, hypotheses, unit)
    cut = str.split if unit == "word" else list
    edits = {u: distance(cut(references[u]), cut(hypotheses[u])) for u in references}
    assert scored.table[:, 1:].sum(1).tolist() == [edits[u] for u in sorted(references)]
    counts = scored.counts()
    assert counts.errors == sum(edits.values())
    assert counts.tokens == sum(len(cut(text)) for text in references.values())
    assert counts.wrong == sum(n > 0 for n in edits.values())
    hypothesis_tokens = counts.correct + counts.substitutions + counts.insertions
    assert hypothesis_tokens == sum(len(cut(text)) for text in hypotheses.values())
    assert counts.rate == pytest.approx(scored.output.wer if unit == "word" else scored.output.cer)


def test_the_table_shows_what_sclite_would():
    counts = align(REFERENCES, HYPOTHESES, "word").counts()
    assert (counts.correct, counts.substitutions) == (5, 1)
    assert (counts.deletions, counts.insertions) == (1, 1)
    header, _, row = score_table({"test": counts}, "word").splitlines()
    assert header.split() == ["#", "Snt", "#", "Wrd", "Corr", "Sub", "Del", "Ins", "Err", "S.Err"]
    assert row.split() == ["test", "3", "7", "71.4", "14.3", "14.3", "14.3", "42.9", "66.7"]


def test_parts_of_a_set_add_up():
    references, hypotheses = draw(40), draw(40, 1)
    scored = align(references, hypotheses, "word")
    labels = {utt: "even" if int(utt[1:]) % 2 == 0 else "odd" for utt in references}
    groups = groups_of(labels, list(references))
    assert list(groups) == ["even", "odd"]
    even, odd = (scored.counts(utts) for utts in groups.values())
    whole = scored.counts()
    assert even.errors + odd.errors == whole.errors and even.tokens + odd.tokens == whole.tokens
    some = {u: references[u] for u in groups["odd"]}
    alone = align(some, {u: hypotheses[u] for u in some}, "word").counts()
    assert alone == odd


def test_worst_utterances_come_first_with_their_alignment():
    shown = align(REFERENCES, HYPOTHESES, "word").worst(5)
    first, second = shown.strip().split("\n\n")
    assert first.splitlines() == [
        "b  #C 2 #S 1 #D 0 #I 1",
        "REF: on the mat ***",
        "HYP: on   a mat now",
        "          S       I",
    ]
    assert second.startswith("c  #C 0 #S 0 #D 1 #I 0\nREF: yes")
    assert "a  #C" not in shown and align(REFERENCES, HYPOTHESES, "word").worst(1).count("REF") == 1
    assert "REF: yes" in align(REFERENCES, HYPOTHESES, "character").worst(5)


def test_everything_wrong_may_exceed_one():
    assert align({"a": "x"}, {"a": "y z z"}, "word").counts().rate == 3.0


def test_missing_and_unknown_utterances_are_named():
    with pytest.raises(DataError, match=r"hypotheses of the ref.* found none of 2: b, c .*decode"):
        align(REFERENCES, {"a": "the"}, "word")
    with pytest.raises(DataError, match=r"references of the hyp.* found none of 1: d"):
        align(REFERENCES, HYPOTHESES | {"d": "x"}, "word")
    with pytest.raises(DataError, match="expected utterances to score"):
        align({}, {}, "word")
    with pytest.raises(DataError, match="expected words in the references"):
        align({"a": ""}, {"a": "x"}, "word").counts()


def test_the_interval_of_a_ratio_is_that_of_resampled_sums():
    scored = align(draw(200), draw(200, 1), "word")
    low, high = scored.interval()
    assert low < scored.counts().rate < high
    errors, tokens = scored.table[:, 1:].sum(1), scored.table[:, :3].sum(1)
    random = np.random.default_rng(5)
    means = []
    for _ in range(4000):
        drawn = random.integers(200, size=200)
        means.append(errors[drawn].sum() / tokens[drawn].sum())
    assert (low, high) == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.01)


def test_an_accuracy_is_a_ratio():
    random = np.random.default_rng(0)
    correct, groups = random.random(500) < 0.7, random.integers(30, size=500)
    rights = np.bincount(groups, correct)
    assert accuracy_interval(correct, groups) == ratio_interval(rights, np.bincount(groups))
