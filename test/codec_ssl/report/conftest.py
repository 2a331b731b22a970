import sys
from pathlib import Path

# The toy corpus lies with the probe's tests; test folders are no packages.
sys.path.insert(0, str(Path(__file__).parents[1] / "evaluation"))
