"""HEAR's public validator (package hearvalidator) on our module, without TensorFlow.

It imports TensorFlow to tell its models from those of PyTorch; a module that is empty but for
the class that it asks for will do.
"""

import importlib
import sys
from types import ModuleType

from codec_ssl.errors import ConfigError

MODULE = "codec_ssl.evaluation.hear"


def validate(model_file_path: str, device: str = "cpu") -> None:
    """Let the validator check the API with a model; it prints what it does.

    Args:
        model_file_path: As for ``load_model``.
        device: Where it puts the audio.

    Raises:
        ConfigError: If the validator isn't installed, or finds a fault; the message says which.
    """
    validator = load_validator()
    try:
        validator.ValidateModel(MODULE, model_file_path, device)()
    except validator.ModelError as error:  # not an Exception there
        raise ConfigError(f"{model_file_path}: HEAR's validator: {error}") from error


def load_validator() -> ModuleType:
    """Import it; where there is no TensorFlow, an empty one stands in while that lasts.

    Raises:
        ConfigError: If it isn't installed.
    """
    alone = "tensorflow" not in sys.modules
    if alone:
        stand_in = ModuleType("tensorflow")
        vars(stand_in)["Module"] = type("Module", (), {})
        sys.modules["tensorflow"] = stand_in
    try:
        return importlib.import_module("hearvalidator.validate")
    except ImportError as error:
        raise ConfigError("the validator is not installed: pip install hearvalidator") from error
    finally:
        if alone:
            del sys.modules["tensorflow"]
