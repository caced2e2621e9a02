"""Models, prices and aliases as dated data. Code never holds a price."""
