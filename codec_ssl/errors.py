"""Errors that a user can mend: each names the file or utterance, and the stage to rerun."""


class CodecSSLError(Exception):
    """Base of every error raised for wrong input rather than for a bug.

    Args:
        message: What was expected and what was found, with the file or utterance.
        stage: Name of the recipe stage that mends it, if there is one.
    """

    def __init__(self, message: str, stage: str | None = None) -> None:
        self.message = message
        self.stage = stage
        super().__init__(message if stage is None else f"{message} (mend: rerun stage '{stage}')")


class DataError(CodecSSLError):
    """A data dir, a corpus folder or an audio file is not as it should be."""


class TokenError(CodecSSLError):
    """A token store is incomplete, damaged, or does not fit its use."""


class CodecError(CodecSSLError):
    """A codec cannot be loaded, or was given something it cannot code."""


class ConfigError(CodecSSLError):
    """A configuration file or option has a wrong value."""


class CheckpointError(CodecSSLError):
    """A checkpoint is missing, damaged, or belongs to another model or data."""


class TrainingError(CodecSSLError):
    """Training stopped because going on would waste time: collapse, non-finite loss."""
