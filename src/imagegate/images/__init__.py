"""What can be said of an image file from its bytes, without decoding it."""

from imagegate.images.facts import ImageFacts, ImageFlaw, InvalidImage, MediaType
from imagegate.images.inspect import inspect
from imagegate.images.sniff import sniff

__all__ = ["ImageFacts", "ImageFlaw", "InvalidImage", "MediaType", "inspect", "sniff"]
