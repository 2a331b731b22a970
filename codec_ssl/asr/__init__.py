"""Speech recognition from discrete tokens."""
