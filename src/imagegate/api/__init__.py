"""The HTTP API: what comes in becomes our words, what goes out becomes JSON. No decision about money is taken here."""
