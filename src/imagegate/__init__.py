"""imagegate: the self-hosted gateway for image generation."""

__version__ = "0.3.0"
