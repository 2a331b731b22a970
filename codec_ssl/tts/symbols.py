"""Phone symbols as numbers, and what to do with those that a model has never seen."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from codec_ssl.errors import DataError

PADDING = 0
UNKNOWN = ("error", "skip")
_SHOWN = 5
_logger = logging.getLogger(__name__)


class Symbols:
    """The phones of a model, numbered from 1; 0 is padding.

    Args:
        names: The symbols, each once.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)
        self._numbers = {name: number for number, name in enumerate(self.names, start=1)}

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._numbers

    def encode(self, utt_id: str, symbols: Sequence[str]) -> np.ndarray:
        """Number the phones of an utterance: ``(P,)`` int64.

        Raises:
            DataError: Naming the utterance and its unknown symbols.
        """
        unknown = sorted({symbol for symbol in symbols if symbol not in self._numbers})
        if unknown:
            raise DataError(f"utterance {utt_id}: {self._complaint(unknown)}")
        return np.array([self._numbers[symbol] for symbol in symbols], dtype=np.int64)

    def known(
        self, phones: Mapping[str, Sequence[str]], unknown: str = "error"
    ) -> dict[str, list[str]]:
        """Leave unknown symbols out of texts to be spoken.

        Args:
            phones: Symbols by utterance.
            unknown: ``skip`` leaves them out and logs which and where; ``error`` stops.

        Raises:
            DataError: There is an unknown symbol, or nothing is left of an utterance.
        """
        counts = Counter(
            (symbol, utt) for utt, every in phones.items() for symbol in every if symbol not in self
        )
        if counts and unknown == "error":
            symbol, utt_id = next(iter(counts))
            others = len({utt for _, utt in counts}) - 1
            raise DataError(
                f"utterance {utt_id}: {self._complaint([symbol])}"
                f"{f' (and {others} other utterances)' if others else ''}; "
                "--unknown_symbols skip leaves such phones out"
            )
        for (symbol, utt_id), count in counts.items():
            _logger.warning("utterance %s: unknown symbol %r left out %dx", utt_id, symbol, count)
        kept = {utt: [s for s in every if s in self] for utt, every in phones.items()}
        empty = [utt_id for utt_id, symbols in kept.items() if not symbols]
        if empty:
            raise DataError(f"utterance {empty[0]}: expected phones to speak, found none")
        return kept

    def usable(self, phones: Mapping[str, Sequence[str]], unknown: str = "error") -> list[str]:
        """Utterances of a training or validation set whose symbols are all known.

        Args:
            phones: Symbols by utterance.
            unknown: ``skip`` leaves the others out and logs them; ``error`` stops.

        Raises:
            DataError: There is another one, or none is left.
        """
        bad = {utt: [s for s in every if s not in self] for utt, every in phones.items()}
        bad = {utt: symbols for utt, symbols in bad.items() if symbols}
        if bad and unknown == "error":
            utt_id, symbols = next(iter(bad.items()))
            raise DataError(
                f"utterance {utt_id}: {self._complaint(sorted(set(symbols)))} ({len(bad)} of "
                f"{len(phones)} utterances have such); --unknown_symbols skip leaves them out"
            )
        if bad:
            named = ", ".join(f"{utt} ({' '.join(sorted(set(s)))})" for utt, s in bad.items())
            _logger.warning("%d utterances have unknown symbols, left out: %s", len(bad), named)
        left = [utt_id for utt_id in phones if utt_id not in bad]
        if not left:
            raise DataError("expected utterances of known symbols, found none")
        return left

    def _complaint(self, unknown: Sequence[str]) -> str:
        shown = " ".join(map(repr, unknown[:_SHOWN]))
        return (
            f"expected the {len(self)} symbols of the training ({' '.join(self.names[:12])} ...), "
            f"found {shown}"
        )
