"""The verbs: what the gateway does, one story a file. A flow may call any adapter; adapters never call each other."""
