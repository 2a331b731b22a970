"""Speech synthesis whose acoustic model predicts codec tokens."""
