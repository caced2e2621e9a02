"""What can be said of an image file from its bytes, without decoding it."""

from imagegate.imaging.facts import Flaw, ImageFacts, MediaType, NotAnImage
from imagegate.imaging.headers import inspect
from imagegate.imaging.magic import sniff
from imagegate.imaging.structure import check_structure

__all__ = ["Flaw", "ImageFacts", "MediaType", "NotAnImage", "check_structure", "inspect", "sniff"]
