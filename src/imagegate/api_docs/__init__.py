"""The API document for people: fields in words, requests as commands and programs that run."""
