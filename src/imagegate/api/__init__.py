"""The HTTP API: requests in, JSON out. No decision about money is made here."""
