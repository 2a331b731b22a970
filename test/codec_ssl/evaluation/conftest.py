import sys
from pathlib import Path

# The rooms share one toy corpus; test folders are no packages.
sys.path.insert(0, str(Path(__file__).parent))
