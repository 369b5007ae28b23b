"""How the bytes of declared files come to the store over lines that break: begun once, gone on with days later.

advice     in which order, in what pieces and how many at once; how large a file may be
sending    what of each file is still to be sent, with signed links
arrival    what has arrived, told by the phone or found by ourselves
upkeep     bytes that nobody told of, uploads that nobody goes on with, jobs that were given up

evidence bucket   incidents/{incident}/{file}/{upload}.jpg       the original, locked, never changed
                  alerts/{alert}/{file}/{upload}.jpg
derived bucket    the same, with -320.webp and -960.webp         rebuildable
"""
