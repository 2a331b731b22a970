"""Speech from units: a HiFi-GAN of tokens, their durations, speakers and pitch."""
