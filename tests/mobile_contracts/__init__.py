"""Tests of what a phone team builds against: the reference phone and the transcripts."""
