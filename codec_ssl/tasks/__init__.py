"""ESPnet tasks, one a file: what a training command line builds and runs."""
