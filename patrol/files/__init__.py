"""What is in a file that a phone has sent, and whether it may be shown.

types       which content types are taken, and what their first bytes look like
flaws       why a file is not taken
verifying   the job: size and SHA-256 from the bytes, a look into them in a limited process, small pictures, the verdict
look        the look itself, in the limited process only; by family it hands on to
pictures    JPEG, PNG, WebP and HEIC: structure first, then pixels, orientation and capture data
recordings  films and sound: structure, streams, a picture of the film, length
papers      PDF: its form only
thumbhash   a picture in 25 bytes

Nothing but `look` may call the readers: a decoder that reads a stranger's bytes may do anything.
"""
