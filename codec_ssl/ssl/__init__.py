"""Self-supervised models and their prediction targets."""
