"""SUPERB (arXiv 2105.01051): ten tasks with small heads on frozen representations."""
