"""Tokenizers: features in, integer tokens out, each known by a fingerprint."""
