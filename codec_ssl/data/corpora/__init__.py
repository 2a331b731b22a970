"""One small module a corpus: from its layout on disk to data dirs."""
