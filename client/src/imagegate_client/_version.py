"""The version of this package, which is that of the gateway it was released with."""

from importlib.metadata import version

__version__ = version("imagegate-client")
