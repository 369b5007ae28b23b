"""Measures the product beside a floor that could hardly be faster and a stock server; see docs/benchmarks.md."""
