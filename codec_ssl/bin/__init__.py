"""Command lines: one verb a module. They parse, call the package and set the exit code."""
