"""Pixels: reading, writing and the child process in which they may live. Knows no prompts."""
