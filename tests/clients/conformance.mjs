// Calls with openai-node, as tests/recipes/conformance.py lists them: its folder is the argument; JSON in, JSON out.
import { readFileSync } from "node:fs";

const [folder] = process.argv.slice(2);
const { default: OpenAI, toFile, APIError } = await import(`${folder}/index.mjs`);
const given = JSON.parse(readFileSync(0, "utf8"));
const files = {};
for (const [name, data] of Object.entries(given.files)) {
  files[`@${name}`] = await toFile(Buffer.from(data, "base64"), `${name}.png`, { type: "image/png" });
}

const insertFiles = (value) => (Array.isArray(value) ? value.map(insertFiles) : (files[value] ?? value));

async function call({ method, how, sends, options }) {
  const client = new OpenAI({
    baseURL: given.url,
    apiKey: given.keys[options.key ?? "main"],
    maxRetries: options.max_retries ?? 0,
  });
  const [resource, name] = method.replace(/_(\w)/, (_, letter) => letter.toUpperCase()).split(".");
  const body = Object.fromEntries(Object.entries(sends).map(([field, value]) => [field, insertFiles(value)]));
  // The SDK tells the gateway a time-out that is given with the call, and none of the client.
  const request = { headers: options.headers, timeout: (options.timeout ?? 100) * 1000 };
  const parameters = { list: [request], retrieve: [sends.model, request] }[name] ?? [body, request];
  try {
    const promise = client[resource][name](...parameters);
    if (how === "body") {
      const response = await promise.asResponse();
      return { answer: await response.json(), headers: Object.fromEntries(response.headers) };
    }
    if (how === "raw") {
      const { data, response } = await promise.withResponse();
      return { answer: data, headers: Object.fromEntries(response.headers) };
    }
    const found = await promise;
    if (how !== "stream") return { answer: found };
    const events = [];
    for await (const event of found) events.push(event);
    return { events };
  } catch (error) {
    if (!(error instanceof APIError)) throw error;
    return { class: error.constructor.name, status: error.status, code: error.code, param: error.param };
  }
}

function typesOf(name) {
  const text = readFileSync(`${folder}/resources/images.d.ts`, "utf8").replace(/\/\*\*[^]*?\*\//g, "");
  const [, fields] = text.match(new RegExp(`export interface ${name} \\{\n([^]*?)\n\\}`));
  return Object.fromEntries([...fields.matchAll(/^ {4}(\w+)\??: ([^;]*);/gm)].map(([, field, type]) => [field, type]));
}

const types = {
  "images.generate": typesOf("ImageGenerateParamsBase"),
  "images.edit": typesOf("ImageEditParamsBase"),
};
const seen = {};
for (const row of given.rows) {
  if (row.parameter && !(row.parameter in types[row.method])) continue;
  for (let count = 0; count < (row.options.calls ?? 1); count++) seen[row.name] = [await call(row)];
}
console.log(
  JSON.stringify({
    version: JSON.parse(readFileSync(`${folder}/package.json`, "utf8")).version,
    types,
    seen,
  }),
);
