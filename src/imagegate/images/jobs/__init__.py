"""Decoding and encoding of images, in child processes with limits."""
