"""Tests that the benches run and answer right; no test looks at a speed."""
