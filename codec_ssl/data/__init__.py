"""Data dirs in Kaldi's file layout, audio reading, alignments, and the corpora that fill them."""
