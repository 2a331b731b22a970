"""What ESPnet's trainer lacks: safe checkpoints, alarms, bad batches, the token data type."""
