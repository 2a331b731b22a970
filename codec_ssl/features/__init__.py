"""Speech encoders: codes or waveforms in, layer features out, streamed in flat memory."""
