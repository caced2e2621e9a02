"""A request whose id is stored before anything is sent: repeated after a crash, it is the same task."""

from pathlib import Path

from imagegate_client import Client

note = Path("order-17.key")
if not note.exists():
    note.write_text("order-17")

with Client() as client:
    task = client.images.create("A minimalist logo of a fox", size="1:1", idempotency_key=note.read_text())
    for event in client.tasks.events(task.id):
        print(event.number, event.task.status, event.task.progress)
    task = client.tasks.get(task.id)
    if task.status == "completed":
        client.tasks.save(task, "fox.png")
