"""Which function makes which metric: by VERSA, by an installed package, or by named weights.

What cannot be had (:mod:`codec_ssl.evaluation.scorer_options`) is no error: it gets a reason.
"""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from codec_ssl.errors import ConfigError
from codec_ssl.evaluation import mel_cepstrum, opinion, pitch, signal, speaker, versa
from codec_ssl.evaluation.pair import CannotScore, Pair
from codec_ssl.evaluation.scorer_options import BACKENDS, ScorerOptions, maker_of, unavailable
from codec_ssl.evaluation.scores import Score

# What a scorer gives: a score, or the reason why there is none.
Found = Mapping[str, Score | str]
_Function = Callable[..., float]

_logger = logging.getLogger(__name__)


# Rates that metrics are defined at; the others take signals as they are. A pair is resampled once.
_RATES = {
    "visqol": signal.VISQOL_RATE,
    **dict.fromkeys(("mcd", "pesq", "dnsmos", "utmos", "sheet_ssqa"), signal.SPEECH_RATE),
    **dict.fromkeys(("speech_bert", "wer", "speaker_similarity"), signal.SPEECH_RATE),
    **dict.fromkeys(pitch.METRICS, signal.SPEECH_RATE),
}
_SIGNAL: dict[str, _Function] = {
    "pesq": signal.pesq,
    "ci_sdr": signal.ci_sdr,
    "si_sdr": signal.si_sdr,
    "visqol": signal.visqol,
    "stoi": signal.stoi,
    "mel_distance": signal.mel_distance,
    "stft_distance": signal.stft_distance,
}


@dataclass(frozen=True)
class Scorer:
    """Makes one or several metrics of a pair.

    Attributes:
        metrics: Which.
        maker: Package and version, or weights: what a number depends on.
        run: The work; raises :class:`CannotScore` where none of them can be had.
    """

    metrics: tuple[str, ...]
    maker: str
    run: Callable[[Pair], Found]

    def __call__(self, pair: Pair) -> dict[str, Score | str]:
        """A score or a reason for each metric."""
        try:
            found = dict(self.run(pair))
        except CannotScore as error:
            return dict.fromkeys(self.metrics, error.message)
        # Packages of many makers: one strange clip must not end a run over thousands.
        except Exception as error:
            _logger.exception("%s: %s failed", pair.utt_id, ", ".join(self.metrics))
            return dict.fromkeys(self.metrics, f"failed: {type(error).__name__}: {error}")
        for metric, score in found.items():
            if isinstance(score, Score) and not math.isfinite(score.value):
                found[metric] = "not a finite number"
        return {metric: found[metric] for metric in self.metrics}


@dataclass(frozen=True)
class Scorers:
    """All that was asked for.

    Attributes:
        scorers: What can be had.
        missing: Reason by metric that can't.
    """

    scorers: Sequence[Scorer]
    missing: Mapping[str, str]

    @property
    def makers(self) -> dict[str, str]:
        """By metric, what makes it."""
        return {metric: scorer.maker for scorer in self.scorers for metric in scorer.metrics}

    def __call__(self, pair: Pair) -> dict[str, Score | str]:
        """A score or a reason for each metric that can be had."""
        return {m: score for scorer in self.scorers for m, score in scorer(pair).items()}


def make_scorers(options: ScorerOptions) -> Scorers:
    """Set up what was asked for; loads the weights.

    Raises:
        ConfigError: If VERSA was asked for and is not installed, or an option is wrong.
        CheckpointError: If weights that were named cannot be loaded.
    """
    if options.backend not in BACKENDS:
        raise ConfigError(f"backend: expected one of {BACKENDS}, found {options.backend!r}")
    scorers, missing = _versa_scorers(options)
    done = {metric for scorer in scorers for metric in scorer.metrics}
    rest = [metric for metric in options.metrics if metric not in done]
    if options.backend == "versa":
        others = {metric: "VERSA is asked for, and has no such metric" for metric in rest}
        return Scorers(scorers, others | missing)
    reasons = {metric: unavailable(metric, options) for metric in rest}
    ready = [metric for metric in rest if not reasons[metric]]
    absent = {metric: reason for metric, reason in reasons.items() if reason}
    return Scorers([*scorers, *_own_scorers(ready, options)], absent)


def _versa_scorers(options: ScorerOptions) -> tuple[list[Scorer], dict[str, str]]:
    """VERSA's metrics, and why others that it should have cannot be set up."""
    found = None if options.backend == "own" else versa.version()
    if options.backend == "versa" and found is None:
        raise ConfigError("backend versa: expected VERSA, found no module versa.scorer_shared")
    scorers, missing = [], {}
    for unit in versa.UNITS if found else ():
        metrics = [m for m in unit.keys.values() if m in options.metrics]
        if options.backend == "auto":
            metrics = [metric for metric in metrics if not options.weights(metric)]
        if not metrics:
            continue
        try:
            run = versa.VersaMetric(unit, options.device.startswith("cuda"))
        # VERSA's metrics are of many makers: whatever one lacks, the others go on.
        except Exception as error:
            _logger.warning("VERSA's %s cannot be set up: %s", unit.name, error)
            reason = f"VERSA: {type(error).__name__}: {error}"
            missing |= dict.fromkeys(metrics, " ".join(reason.split()))
            continue
        scorers.append(Scorer(tuple(metrics), f"VERSA {found}", run))
    return scorers, missing


def _own_scorers(metrics: Sequence[str], options: ScorerOptions) -> list[Scorer]:
    scorers, analysed = [], set()
    find_pitch = partial(_pitch, options.pitch)
    for members, run in ((("mcd", "f0_corr"), _world), (tuple(pitch.METRICS), find_pitch)):
        wanted = tuple(metric for metric in metrics if metric in members)
        if wanted:
            scorers.append(Scorer(wanted, maker_of(wanted[0], options), run))
            analysed |= set(wanted)
    for metric in metrics:
        if metric not in analysed:
            run = _run(metric, options)
            scorers.append(Scorer((metric,), maker_of(metric, options), run))
    return scorers


def _run(metric: str, options: ScorerOptions) -> Callable[[Pair], Found]:
    """The function that makes one metric of ours."""
    weights, device = options.weights(metric), options.device
    if metric in _SIGNAL:
        return _aligned(metric, _SIGNAL[metric])
    if metric == "dnsmos":
        return _alone(metric, opinion.dnsmos)
    if metric == "utmos":
        return _alone(metric, opinion.Utmos(weights, device))
    if metric == "sheet_ssqa":
        return _alone(metric, opinion.SheetSsqa(weights, device))
    if metric == "speech_bert":
        from codec_ssl.evaluation.speech_bert import SpeechBert

        return _unaligned(metric, SpeechBert(weights, options.speech_bert_layer, device))
    if metric == "wer":
        return _words(metric, options)
    make = partial(speaker.espnet_embedder, weights) if weights else speaker.resemblyzer_embedder
    return _unaligned(metric, speaker.SpeakerSimilarity(make(device=device)))


def _rate(metric: str, pair: Pair) -> int:
    return _RATES.get(metric, pair.sample_rate)


def _aligned(metric: str, function: _Function) -> Callable[[Pair], Found]:
    def run(pair: Pair) -> Found:
        rate = _rate(metric, pair)
        return {metric: Score(function(*pair.aligned(rate), rate))}

    return run


def _unaligned(metric: str, function: _Function) -> Callable[[Pair], Found]:
    def run(pair: Pair) -> Found:
        rate = _rate(metric, pair)
        return {metric: Score(function(*pair.wholes(rate), rate))}

    return run


def _alone(metric: str, function: _Function) -> Callable[[Pair], Found]:
    def run(pair: Pair) -> Found:
        rate = _rate(metric, pair)
        return {metric: Score(function(pair.wholes(rate)[1], rate))}

    return run


def _words(metric: str, options: ScorerOptions) -> Callable[[Pair], Found]:
    from codec_ssl.evaluation.whisper_wer import WhisperWer

    recognize = WhisperWer(options.whisper, options.language, options.device)

    def run(pair: Pair) -> Found:
        rate = _rate(metric, pair)
        found = recognize(pair.wholes(rate)[1], rate, pair.text)
        pair.heard.append(found.transcript)
        return {metric: Score(found.errors, found.words)}

    return run


def _world(pair: Pair) -> Found:
    """MCD and F0 correlation, of one analysis."""
    rate = _rate("mcd", pair)
    analyses = mel_cepstrum.analyze_pair(*pair.aligned(rate), rate)
    found: dict[str, Score | str] = {"mcd": Score(mel_cepstrum.distortion(*analyses))}
    try:
        found["f0_corr"] = Score(mel_cepstrum.correlation(*analyses))
    except CannotScore as error:
        found["f0_corr"] = error.message
    return found


def _pitch(method: str, pair: Pair) -> Found:
    """Errors of pitch and voicing, of one analysis."""
    curves = pitch.pitch_pair(*pair.aligned(signal.SPEECH_RATE), signal.SPEECH_RATE, method)
    found: dict[str, Score | str] = {}
    for metric, function in pitch.METRICS.items():
        try:
            value = function(*curves)
        except CannotScore as error:
            found[metric] = error.message
        else:
            found[metric] = value if isinstance(value, Score) else Score(value)
    return found
