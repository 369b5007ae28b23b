"""The fault matrix of calls for help: in each cell the next step happens on time, or the auditor speaks.

`wire` stands between a worker and everything it can reach, counts what crosses, and ends the worker before any crossing
that one likes. Between two crossings nothing outside of a worker changes, so that ending it before each of them, one after the other until a run
needs no more, is every way in which it can die. `worker` is what dies, as a task or as a process of its own; `scene` is the
station around it, and knows what must have happened in the end.
"""
