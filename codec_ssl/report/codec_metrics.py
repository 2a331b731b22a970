"""The measures of a codec: their names, units, and which end of them is the good one.

The eleven of Do Neural Codecs Generalize? (arXiv 2601.12205), four that other codec papers print,
and four of pitch by which vocoders are measured (arXiv 2309.00169, Table 4).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from codec_ssl.errors import ConfigError


@dataclass(frozen=True)
class Metric:
    """One measure.

    Attributes:
        name: As in ``results.json``.
        title: As in tables.
        unit: Unit in ``results.json``.
        better: ``lower`` or ``higher``.
        places: Decimals in tables.
    """

    name: str
    title: str
    unit: str
    better: str
    places: int = 2

    @property
    def heading(self) -> str:
        """Title with its unit, if it has one, and an arrow towards better."""
        unit = {"dB": ", dB", "fraction": ", %"}.get(self.unit, "")
        return f"{self.title}{unit} {'↓' if self.better == 'lower' else '↑'}"

    def show(self, value: float) -> str:
        """A value as in tables; fractions in percent."""
        return f"{self.scaled(value):.{self.places}f}"

    def scaled(self, value: float) -> float:
        """A value in the unit of tables."""
        return 100 * value if self.unit == "fraction" else value

    def rounded(self, value: float) -> float:
        """A value at the precision of tables."""
        return round(self.scaled(value), self.places)


_ALL = (
    Metric("mcd", "MCD", "dB", "lower"),
    Metric("f0_corr", "F0 correlation", "ratio", "higher"),
    Metric("pesq", "PESQ", "mos", "higher"),
    Metric("speech_bert", "speech BERT score", "ratio", "higher"),
    Metric("ci_sdr", "CI-SDR", "dB", "higher"),
    Metric("visqol", "ViSQOL", "mos", "higher"),
    Metric("dnsmos", "DNSMOS", "mos", "higher"),
    Metric("utmos", "UTMOS", "mos", "higher"),
    Metric("sheet_ssqa", "SHEET-SSQA", "mos", "higher"),
    Metric("wer", "WER", "fraction", "lower"),
    Metric("speaker_similarity", "speaker similarity", "ratio", "higher"),
    Metric("stoi", "STOI", "ratio", "higher", 3),
    Metric("si_sdr", "SI-SDR", "dB", "higher"),
    Metric("mel_distance", "mel distance", "distance", "lower", 3),
    Metric("stft_distance", "STFT distance", "distance", "lower", 3),
    Metric("vde", "VDE", "fraction", "lower", 1),
    Metric("gpe", "GPE", "fraction", "lower", 1),
    Metric("ffe", "FFE", "fraction", "lower", 1),
    Metric("f0_correlation", "log F0 correlation", "ratio", "higher", 3),
)
METRICS = {metric.name: metric for metric in _ALL}
GROUPS: dict[str, tuple[str, ...]] = {
    "speech": tuple(METRICS)[:11],
    "audio": ("mcd", "ci_sdr", "visqol"),
    "tts": ("wer", "utmos", "speaker_similarity"),
    "vocoder": (
        *("wer", "vde", "ffe", "f0_correlation", "speaker_similarity"),
        *("pesq", "stoi", "mel_distance"),
    ),
    "all": tuple(METRICS),
}


def expand(names: Sequence[str]) -> list[str]:
    """Metrics by name and by the name of a group, each once, in the order of tables.

    Args:
        names: Such as ``["audio", "stoi"]``. ``speech`` are the paper's eleven, ``audio`` the
            three that it uses for sound that isn't speech, ``tts`` those of synthesis, ``vocoder``
            those of speech made again from tokens.

    Raises:
        ConfigError: If a name is neither, or there is none.
    """
    unknown = [name for name in names if name not in METRICS and name not in GROUPS]
    if unknown or not names:
        raise ConfigError(
            f"metrics: expected some of {', '.join(METRICS)} or groups {', '.join(GROUPS)}, found "
            f"{', '.join(unknown) or 'none'}"
        )
    wanted = {metric for name in names for metric in GROUPS.get(name, (name,))}
    return [name for name in METRICS if name in wanted]
