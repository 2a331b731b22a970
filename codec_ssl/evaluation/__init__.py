"""Evaluation of representations: clustering quality and linear probes by layer."""
