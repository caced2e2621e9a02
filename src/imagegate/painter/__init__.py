"""The embedded engine's procedural painter: a prompt in, a labelled image out.

Deterministic: the same request gives the same bytes. It uses no network and no clock.
"""
