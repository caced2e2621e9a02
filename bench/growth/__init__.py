"""How it behaves as the data grows: databases of any size, and what each operation takes on them."""
