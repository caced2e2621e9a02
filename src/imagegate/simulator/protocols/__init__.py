"""One file = the wire of one kind of upstream: what it reads, what it answers, how it refuses."""
