"""The files API: uploads in three ways, what an account keeps, and the addresses of its files."""
