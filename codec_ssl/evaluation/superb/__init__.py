"""SUPERB (arXiv 2105.01051): ten tasks that judge a frozen encoder by small networks on it."""
