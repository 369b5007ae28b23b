"""Clips of calls for help: uploaded segment by segment while they are recorded, watched within seconds, kept as evidence.

declaring   what a recorder says before bytes travel: a clip, its segments, its end
sending     signed links by which the bytes travel, and a way through us for poles that cannot use them
arrival     what has arrived, told by the recorder or found by ourselves
verifying   hash, form and decodability, looked at in a limited process; READY or QUARANTINED
playlist    what is there as HLS, with its gaps
watching    who may watch, by a short-lived signed link
joining     one file of all segments, and its poster, once the clip has ended
upkeep      recorders that fell silent, bytes that nobody told of, jobs that were given up

evidence bucket   alerts/{alert}/{clip}/{number}-{segment}.ts        the originals, locked, never changed
derived bucket    alerts/{alert}/{clip}/{content}.mp4                rebuildable, also -320.webp and -960.webp
"""
