"""The loops that carry tasks out and sweep up. They know when; the flows know what."""
