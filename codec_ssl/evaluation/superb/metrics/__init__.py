"""Scores as the benchmark computes them."""
