"""The files API: uploads in three ways, the files of an account, and the URLs of their bytes."""
