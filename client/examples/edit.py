"""An image from an image: a path, the bytes, an open file, a URL, an earlier result or the id of an upload."""

from pathlib import Path

from imagegate_client import Client

with Client() as client:
    first = client.images.generate("A minimalist logo of a fox", size="1:1", quality="low")
    first.save("fox.png")
    client.images.edit("in blue", Path("fox.png"), size="1:1", quality="low").save("blue.png")
    client.images.edit("in red", first.task.results[0], size="1:1", quality="low").save("red.png")
    upload = client.files.upload("fox.png")
    client.images.edit("both", [upload, "blue.png"], size="1:1", quality="low").save("both.png")
