"""A package, so that tests of different rooms may have the same file name."""
