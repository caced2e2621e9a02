"""A whole installation in a folder, out of it, and to another place: database, images and secret.

The folder holds a SQLite database whatever the engine was, the images that it names under their keys, the secret where
it is a file, and, written last, a manifest: without one it is no backup.
"""
