"""SUPERB's data dirs: the tables beside Kaldi's, and small corpora laid out as the benchmark's."""
