"""What the gateway does, one use case per file. A flow may call any adapter; adapters never call each other."""
