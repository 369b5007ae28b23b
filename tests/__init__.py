"""A package, so that pytest finds the house beside it and tests can share their helpers by name."""
