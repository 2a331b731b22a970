"""Token sequences on disk: bit packing, the store, and the checks before a training."""
