"""The rules for pictures: what is one, what is refused and why, and the small ones that are made from it."""

from patrol.images.derive import WIDTHS, derivatives
from patrol.images.facts import MAX_BYTES, MAX_PIXELS, ImageFacts, inspect_jpeg
from patrol.images.frame import draw_frame
from patrol.images.markers import Reason, UnfitImage

__all__ = [
    "MAX_BYTES",
    "MAX_PIXELS",
    "WIDTHS",
    "ImageFacts",
    "Reason",
    "UnfitImage",
    "derivatives",
    "draw_frame",
    "inspect_jpeg",
]
