import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec_ssl.data.splits import Unit, assign
from codec_ssl.errors import DataError

FRACTIONS = {"train": 0.8, "valid": 0.1, "test": 0.1}


def singles(prefix: str, count: int) -> list[Unit]:
    return [Unit(f"{prefix}{i}", prefix, (f"{prefix}{i}",)) for i in range(count)]


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 40), min_size=1), st.integers())
def test_every_utterance_is_in_one_split_and_no_split_is_empty(strata, seed):
    units = [unit for name, count in strata.items() for unit in singles(name, count)]
    if len(units) < 3:
        with pytest.raises(DataError, match="at least 3"):
            assign(units, FRACTIONS, seed)
        return
    parts = assign(units, FRACTIONS, seed)
    assert sorted(utt for part in parts.values() for utt in part) == sorted(u.key for u in units)
    assert all(parts.values())


def test_each_stratum_is_divided_by_the_fractions():
    parts = assign(singles("a", 50) + singles("b", 20), FRACTIONS, 0)
    for name, expected in (("train", (40, 16)), ("valid", (5, 2)), ("test", (5, 2))):
        assert tuple(sum(utt[0] == k for utt in parts[name]) for k in "ab") == expected


def test_lone_units_spread_by_the_fractions_too():
    lone = [Unit(str(index), index, (str(index),)) for index in range(2000)]
    assert len(assign(lone, FRACTIONS, 0)["train"]) == pytest.approx(1600, abs=60)


def test_other_strata_and_the_order_move_nothing():
    few = assign(singles("a", 30), FRACTIONS, 3)
    many = assign((singles("b", 11) + singles("a", 30))[::-1], FRACTIONS, 3)
    for name in FRACTIONS:
        assert set(few[name]) <= set(many[name])
    assert assign(singles("a", 30), FRACTIONS, 4) != few


def test_units_stay_together():
    units = [Unit(str(i), "", (f"{i}-1", f"{i}-2")) for i in range(10)]
    for part in assign(units, FRACTIONS, 0).values():
        assert len({utt.split("-")[0] for utt in part}) * 2 == len(part)


def test_a_split_of_share_zero_is_not_made():
    parts = assign(singles("a", 10), {"train": 0.9, "valid": 0.1, "test": 0.0}, 0)
    assert {name: len(part) for name, part in parts.items()} == {"train": 9, "valid": 1}


@pytest.mark.parametrize("shares", [(0.5, 0.6, -0.1), (0.5, 0.1, 0.1)])
def test_fractions_must_sum_to_one(shares):
    with pytest.raises(DataError, match="sum to 1"):
        assign(singles("a", 9), dict(zip("xyz", shares, strict=True)), 0)
