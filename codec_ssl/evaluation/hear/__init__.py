"""HEAR: its API (this package is the module that its tools load), and its downstream evaluation."""

from codec_ssl.evaluation.hear.module import (
    HearModel,
    get_scene_embeddings,
    get_timestamp_embeddings,
    load_model,
)

__all__ = ["HearModel", "get_scene_embeddings", "get_timestamp_embeddings", "load_model"]
