"""What can be said of an image file from its bytes, without decoding it."""

from imagegate.images.facts import Flaw, ImageFacts, MediaType, NotAnImage
from imagegate.images.inspect import inspect
from imagegate.images.sniff import sniff
from imagegate.images.verify import check_structure

__all__ = ["Flaw", "ImageFacts", "MediaType", "NotAnImage", "check_structure", "inspect", "sniff"]
