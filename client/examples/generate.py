"""The price first, then the image."""

from imagegate_client import Client, InsufficientCreditsError, Task, TaskFailedError

PROMPT = "A minimalist logo of a fox"


def show(task: Task) -> None:
    print(f"{task.status} {task.progress} %")


with Client() as client:  # IMAGEGATE_URL and IMAGEGATE_API_KEY
    quote = client.images.quote(PROMPT, size="1:1", quality="low")
    print(f"expected {quote.expected.credits} credits, at most {quote.maximum.credits}")
    try:
        result = client.images.generate(PROMPT, size="1:1", quality="low", on_progress=show)
    except InsufficientCreditsError as error:
        print(f"not bought: {error.message}")
    except TaskFailedError as error:
        print(f"failed, not charged: {error.code}")
    else:
        (file,) = result.save("fox.png")
        print(f"{file} for {result.task.usage.credits_used} credits")
