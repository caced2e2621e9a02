"""The embedded engine's procedural painter: a prompt in, a labelled picture out. No network, no clock, no luck."""
