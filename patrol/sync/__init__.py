"""Sync: never lost, never doubled, never silently overwritten."""
