"""Types that every layer shares. Only the standard library and msgspec; no clock, file or network."""
