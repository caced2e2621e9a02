"""Several images at once. The gateway works on them together; the key's limits apply."""

import asyncio

from imagegate_client import AsyncClient

PROMPTS = ["A minimalist logo of a fox", "A minimalist logo of an owl", "A minimalist logo of a hare"]


async def main() -> None:
    async with AsyncClient() as client:

        async def one(number: int, prompt: str) -> None:
            result = await client.images.generate(prompt, size="1:1", quality="low")
            await result.save(f"animal-{number}.png")

        await asyncio.gather(*(one(number, prompt) for number, prompt in enumerate(PROMPTS)))
        balance = await client.credits()
        print(f"{balance.account.remaining_credits} credits left")
        async for task in client.tasks.iterate(status="completed"):
            print(task.id, task.credits_used)


asyncio.run(main())
