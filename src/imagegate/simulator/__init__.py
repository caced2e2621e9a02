"""A stand-in for real upstreams: it answers and fails as they do, and counts what each call would have cost.

It shares the catalog, the pricing formulas and the PNG encoder with the gateway and nothing else, so that its count is
independent of the gateway's own accounting.
"""
