"""How the document of the API is told to people: fields in words, requests as lines that run."""
