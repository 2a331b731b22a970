"""Dividing utterances into train, valid and test: reproducible, stratified or by speaker."""

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from codec_ssl.errors import DataError


@dataclass(frozen=True)
class Unit:
    """Utterances that stay together.

    Attributes:
        key: Name that the order follows from.
        stratum: What is divided evenly: each stratum is split by the fractions on its own.
        utt_ids: The utterances.
    """

    key: str
    stratum: Hashable
    utt_ids: tuple[str, ...]


def assign(
    units: Sequence[Unit], fractions: Mapping[str, float], seed: int
) -> dict[str, list[str]]:
    """Divide units among splits.

    The split of a unit depends on the seed, its key and its own stratum alone: taking another
    corpus in, or leaving one out, moves nothing (except to fill a split that would be empty).

    Args:
        units: What to divide.
        fractions: Share of each split by name; they sum to 1. A split with share 0 isn't made.
        seed: Other seeds give other splits.

    Returns:
        Sorted utterances of each split, in the order of ``fractions``.

    Raises:
        DataError: If the fractions don't sum to 1, or there are fewer units than splits.
    """
    if any(share < 0 for share in fractions.values()) or abs(sum(fractions.values()) - 1) > 1e-6:
        raise DataError(f"splits: expected fractions from 0 up that sum to 1, found {fractions}")
    fractions = {name: share for name, share in fractions.items() if share > 0}
    if len(units) < len(fractions):
        raise DataError(
            f"splits: expected at least {len(fractions)} utterances (speakers, if they stay "
            f"together) for {', '.join(fractions)}, found {len(units)}"
        )
    strata: dict[Hashable, list[Unit]] = {}
    for unit in sorted(units, key=lambda unit: (_hash(seed, unit.key), unit.key)):
        strata.setdefault(unit.stratum, []).append(unit)
    parts: dict[str, list[Unit]] = {name: [] for name in fractions}
    for stratum, members in strata.items():
        for unit, quantile in _quantiles(members, _hash(seed, repr(stratum))):
            parts[_at(quantile, fractions)].append(unit)
    _fill_empty(parts)
    return {
        name: sorted(utt_id for unit in members for utt_id in unit.utt_ids)
        for name, members in parts.items()
    }


def _hash(seed: int, text: str) -> float:
    """Return a number in [0, 1) that looks random and is the same in every process."""
    digest = hashlib.sha256(f"{seed}\0{text}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / (1 << 48)


def _quantiles(members: Sequence[Unit], shift: float) -> list[tuple[Unit, float]]:
    """Place units on [0, 1) by size; a lone unit lands at ``shift``, which is random."""
    total = sum(len(unit.utt_ids) for unit in members)
    placed, done = [], 0
    for unit in members:
        placed.append((unit, (done + shift * len(unit.utt_ids)) / total))
        done += len(unit.utt_ids)
    return placed


def _at(quantile: float, fractions: Mapping[str, float]) -> str:
    reached = 0.0
    for name, share in fractions.items():
        reached += share
        if quantile < reached:
            return name
    return name


def _fill_empty(parts: dict[str, list[Unit]]) -> None:
    for members in parts.values():
        if not members:
            largest = max(parts.values(), key=len)
            members.append(largest.pop())
