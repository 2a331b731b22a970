"""Speech models on discrete codec units: recipes of five papers on ESPnet's trainer."""

__version__ = "0.1.0"
