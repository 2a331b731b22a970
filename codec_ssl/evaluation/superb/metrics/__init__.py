"""Metrics as the benchmark computes them, as functions of counts, texts or scores alone."""
