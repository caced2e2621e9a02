"""The OpenAI surface, /openai/v1: images for the vendor's SDKs and for programs that are built on them."""
