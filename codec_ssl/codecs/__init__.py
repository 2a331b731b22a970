"""Frozen neural codecs: waveform to codes and back, and the extraction of token stores."""
