"""The words of imagegate. Standard library and msgspec only; nothing here reads a clock, a file or a network."""
