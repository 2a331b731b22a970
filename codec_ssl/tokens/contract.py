"""What codes and labels must fulfil before a training may start.

Wrong labels rarely crash: one typo in a dictionary's path once turned all targets into the
unknown token, the loss fell to zero, and a month went by. Each check here stops such a run with
a message that names the utterances and the stage that mends it. All of it comes from indexes and
histograms, so it takes milliseconds an hour of speech; ``TokenStore.verify`` reads the tokens.

Letters: U utterances, T frames, Q codebooks, K codebook size.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from codec_ssl.errors import CheckpointError, TokenError
from codec_ssl.tokens import histogram
from codec_ssl.tokens.reader import TokenStore

MAX_TOP_SHARE = 0.95
MIN_PERPLEXITY = 2.0
_SHOWN = 5
_RATE_TOLERANCE = 1e-3
# What a model was trained on; a mismatch in the first ones means another kind of token.
_RECORDED = {
    "kind": "kind of maker",
    "name": "name of maker",
    "maker": "fingerprint of maker",
    "sizes": "codebook sizes",
    "frame_rate": "frame rate",
}


@dataclass(frozen=True)
class ContractReport:
    """What was checked and found good, and what deserves a look.

    Attributes:
        inputs: The codes' store, in words.
        labels: The labels' store, or None.
        num_utterances: Utterances that a training can use.
        num_frames: Frames that it can use: the shorter of codes and labels.
        num_cropped: Utterances whose codes and labels differ in length within the tolerance.
        notes: Remarks that stop nothing.
    """

    inputs: str
    labels: str | None
    num_utterances: int
    num_frames: int
    num_cropped: int
    notes: tuple[str, ...]

    def lines(self) -> list[str]:
        """The report as text lines."""
        lines = [f"inputs: {self.inputs}"]
        if self.labels is not None:
            lines.append(f"labels: {self.labels}")
        lines.append(
            f"usable: {self.num_utterances} utterances, {self.num_frames} frames "
            f"({self.num_cropped} utterances lose a frame to the shorter side)"
        )
        return lines + [f"note: {note}" for note in self.notes]


def check(
    inputs: TokenStore,
    labels: TokenStore | None = None,
    *,
    expect_maker: Mapping[str, Any] | None = None,
    max_length_gap: int = 1,
) -> ContractReport:
    """Check codes, and labels for them.

    Every utterance of ``inputs`` needs labels. Labels may cover more utterances: a training goes
    through the inputs, so labels of a larger set serve a subset; the report counts them.

    Args:
        inputs: Codes.
        labels: Labels of the same frames.
        expect_maker: Entries that the inputs' maker must have, such as its fingerprint.
        max_length_gap: Most frames by which codes and labels of an utterance may differ; the
            training takes the shorter. Frontends round at the end of a file differently.

    Raises:
        TokenError: At the first thing that doesn't hold, naming the stage to rerun.
    """
    _check_maker(inputs, expect_maker or {})
    notes = _check_content(inputs) + _check_spread(inputs, is_label=False)
    lengths = inputs.lengths
    cropped = 0
    if labels is not None:
        notes += _check_content(labels) + _check_spread(labels, is_label=True)
        notes += _check_utterances(inputs, labels)
        surplus = _check_lengths(inputs, labels, max_length_gap)
        cropped = int(np.count_nonzero(surplus))
        lengths = lengths - np.maximum(surplus, 0)
    return ContractReport(
        inputs=repr(inputs),
        labels=None if labels is None else repr(labels),
        num_utterances=len(inputs),
        num_frames=int(lengths.sum()),
        num_cropped=cropped,
        notes=tuple(notes),
    )


def check_pair(train: TokenStore, valid: TokenStore) -> None:
    """Check that two sets come from the same maker: codec, or k-means with all its centroids.

    Raises:
        TokenError: If maker, sizes or rates differ.
    """
    for what, name in _RECORDED.items():
        found, expected = record(valid)[what], record(train)[what]
        if found != expected:
            raise TokenError(
                f"{valid.path}: {name}: expected that of {train.path}, {expected!r}, "
                f"found {found!r}: both must be made by the same model",
                stage=valid.meta.stage,
            )


def record(store: TokenStore) -> dict[str, Any]:
    """What a checkpoint keeps about the tokens that it was trained on: plain values, for YAML."""
    meta = store.meta
    return {
        "store": meta.fingerprint,
        "kind": meta.maker["kind"],
        "name": meta.maker["name"],
        "maker": meta.maker["fingerprint"],
        "sizes": list(meta.sizes),
        "frame_rate": meta.frame_rate,
    }


def check_checkpoint(
    store: TokenStore, recorded_fingerprint: Mapping[str, Any], *, same_data: bool = True
) -> None:
    """Check tokens against what :func:`record` kept when a model was trained.

    Args:
        store: The tokens at hand.
        recorded_fingerprint: What the checkpoint kept.
        same_data: Whether the very same utterances are expected, as when a training is resumed;
            otherwise the same kind of tokens is enough, as when a trained model is used.

    Raises:
        CheckpointError: If the tokens are of another kind, or other data than recorded.
    """
    found = record(store)
    missing = found.keys() - recorded_fingerprint.keys()
    if missing:
        raise CheckpointError(
            f"{store.path}: expected the checkpoint to tell {sorted(missing)} of its tokens, "
            f"found only {sorted(recorded_fingerprint)}",
            stage="pretrain",
        )
    for what, name in _RECORDED.items():
        if found[what] != recorded_fingerprint[what]:
            raise CheckpointError(
                f"{store.path}: {name}: the checkpoint was trained with "
                f"{recorded_fingerprint[what]!r}, found {found[what]!r}",
                stage=store.meta.stage,
            )
    if same_data and found["store"] != recorded_fingerprint["store"]:
        raise CheckpointError(
            f"{store.path}: the checkpoint was trained on a store with fingerprint "
            f"{recorded_fingerprint['store']}, found {found['store']}: the tokens were made again "
            "from other data; choose another --expdir, or make the former tokens",
            stage=store.meta.stage,
        )


def _check_maker(store: TokenStore, expected: Mapping[str, Any]) -> None:
    for key, value in expected.items():
        found = store.meta.maker.get(key)
        if found != value:
            raise TokenError(
                f"{store.path}: expected tokens whose maker has {key} {value!r}, found {found!r}",
                stage=store.meta.stage,
            )


def _check_content(store: TokenStore) -> list[str]:
    """No utterance empty, files whole, values in range; notes about skipped utterances."""
    meta = store.meta
    store.check_files()
    empty = np.flatnonzero(store.lengths == 0)
    if len(empty):
        names = _some(store.utt_id(int(position)) for position in empty)
        raise TokenError(f"{store.path}: expected frames, found none in {names}", stage=meta.stage)
    totals = [int(column.sum()) for column in meta.counts()]
    widths = [len(column) for column in meta.histogram]
    if widths != meta.sizes or totals != [int(store.lengths.sum())] * len(totals):
        raise TokenError(
            f"{store.path}: expected tokens of codebooks {meta.sizes} in {store.lengths.sum()} "
            f"frames, found a histogram of sizes {widths} with {totals} tokens",
            stage=meta.stage,
        )
    if not meta.skipped:
        return []
    reasons = ", ".join(f"{count} {reason}" for reason, count in meta.skipped.items())
    return [f"{store.path}: utterances skipped when it was made: {reasons}"]


def _check_spread(store: TokenStore, *, is_label: bool) -> list[str]:
    """Degenerate codebooks: an error for labels and if no codebook is good, else a note."""
    problems = {}
    for codebook, counts in enumerate(store.meta.counts()):
        share, perplexity = histogram.top_share(counts), histogram.perplexity(counts)
        if share > MAX_TOP_SHARE or perplexity < _least_perplexity(len(counts)):
            problems[codebook] = (
                f"codebook {codebook}: token {int(counts.argmax())} has {share:.1%} of all "
                f"frames, perplexity {perplexity:.2f} of {len(counts)}"
            )
    notes = [f"{store.path}: {problem}" for problem in problems.values()]
    if problems and (is_label or len(problems) == store.meta.num_codebooks):
        raise TokenError(
            f"{store.path}: expected varied tokens, found {next(iter(problems.values()))}; "
            "a training would drive its loss to zero and learn nothing (a collapsed model, or "
            "every label mapped to one unknown token)",
            stage=store.meta.stage,
        )
    return notes


def _least_perplexity(size: int) -> float:
    """Two, but less for codebooks of few entries: K = 2 cannot exceed it."""
    return min(MIN_PERPLEXITY, 1.0 + 0.1 * (size - 1))


def _check_utterances(inputs: TokenStore, labels: TokenStore) -> list[str]:
    if inputs.utt_ids == labels.utt_ids:
        return []
    missing = [utt for utt in inputs if utt not in labels]
    extra = len(labels) - (len(inputs) - len(missing))
    if missing:
        known = labels.skipped()
        why = {f"{utt} (skipped: {known[utt]})" if utt in known else utt for utt in missing}
        raise TokenError(
            f"{labels.path}: expected labels for every utterance of {inputs.path}, found none for "
            f"{_some(why)} ({len(missing)} of {len(inputs)}; {extra} labels without codes)",
            stage=labels.meta.stage,
        )
    names = _some(utt for utt in labels if utt not in inputs)
    return [f"{labels.path}: {extra} utterances more than codes, not used: {names}"]


def _check_lengths(inputs: TokenStore, labels: TokenStore, max_length_gap: int) -> np.ndarray:
    """Frames that codes are longer than labels: (U,), in the order of the inputs."""
    rates = inputs.meta.frame_rate, labels.meta.frame_rate
    if abs(rates[0] - rates[1]) > _RATE_TOLERANCE * rates[0]:
        raise TokenError(
            f"{labels.path}: expected {rates[0]:g} frames a second as in {inputs.path}, found "
            f"{rates[1]:g}",
            stage=labels.meta.stage,
        )
    found = labels.lengths
    if inputs.utt_ids != labels.utt_ids:
        found = found[[labels.position(utt) for utt in inputs]]
    gaps = inputs.lengths - found
    wrong = np.flatnonzero(np.abs(gaps) > max_length_gap)
    if len(wrong):
        first = int(wrong[0])
        names = _some(inputs.utt_id(int(position)) for position in wrong)
        raise TokenError(
            f"{labels.path}: expected lengths within {max_length_gap} of the codes of "
            f"{inputs.path}, found others for {names}: the first has {inputs.lengths[first]} "
            f"codes and {found[first]} labels",
            stage=labels.meta.stage,
        )
    return gaps


def _some(names: Iterable[str]) -> str:
    """The first few names and how many there are."""
    names = sorted(names)
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + rest
