// What a program does with the vendor's SDK for Node: arguments are its module, the base URL and a key; it prints JSON.
const [module, baseURL, apiKey] = process.argv.slice(2);
const { default: OpenAI, toFile } = await import(module);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 2 });
const logo = { prompt: "logo from node", size: "816x816", quality: "low" };
const isImage = (text) => Buffer.from(text, "base64").subarray(1, 4).toString() === "PNG";

async function nameOfError(call) {
  try {
    await call();
    return "none";
  } catch (error) {
    return `${error.constructor.name} ${error.status} ${error.code} ${error.param}`;
  }
}

async function typesOf(stream) {
  const types = [];
  for await (const event of stream) types.push(`${event.type} ${isImage(event.b64_json)}`);
  return types;
}

const png = await toFile(
  Buffer.from(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
    "base64",
  ),
  "x.png",
);
const made = await client.images.generate({ ...logo, n: 2 });
const { data: linked, response } = await client.images.generate({ ...logo, response_format: "url" }).withResponse();
const edited = await client.images.edit({ ...logo, image: [png, png], mask: png });
const streamed = await typesOf(await client.images.generate({ ...logo, stream: true, partial_images: 2 }));
const models = [];
for await (const model of client.models.list()) models.push(model.id);
const wrong = new OpenAI({ baseURL, apiKey: "sk-wrong", maxRetries: 0 });
console.log(
  JSON.stringify({
    made: made.data.map((image) => isImage(image.b64_json)),
    tokens: made.usage.total_tokens,
    url: linked.data[0].url,
    task: response.headers.get("x-task-id"),
    edited: isImage(edited.data[0].b64_json),
    streamed,
    models,
    retrieved: (await client.models.retrieve("gpt-image-1")).id,
    errors: [
      await nameOfError(() => client.images.generate({ ...logo, n: 11 })),
      await nameOfError(() => client.images.generate({ ...logo, model: "nothing" })),
      await nameOfError(() => wrong.models.list()),
      await nameOfError(() => client.chat.completions.create({ model: "x", messages: [] })),
    ],
  }),
);
