"""The faults of uploads: whatever dies at whatever point, a file ends READY or QUARANTINED with its bytes, or can go on.

`wire` stands before the store and counts or forwards what crosses; `processes` are the server and the worker that are killed.
"""
