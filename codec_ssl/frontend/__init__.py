"""Frontends that turn codes into vectors for an encoder."""
