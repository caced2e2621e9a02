"""A stand-in for real upstreams: it speaks like them, fails like them on demand, and counts what it would have billed.

A door of its own: it shares the catalog, the formulas and the PNG writer with the gateway and nothing else, so that
what it counts is no echo of what the gateway believes.
"""
