"""Layers shared by every model: packed batches, Transformer, masking, EMA, quantization."""
