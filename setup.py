"""Package codec_ssl. ``tools/install.sh`` installs it editable, on top of pinned requirements."""

from setuptools import find_packages, setup

setup(
    name="codec_ssl",
    version="0.1.0",
    packages=find_packages(include=["codec_ssl", "codec_ssl.*"]),
    python_requires=">=3.12,<3.14",
)
