// The official TypeScript SDK as a client of `imagegate mcp`. Prints what it saw as one line of JSON.
//   mcp_client.mjs each|race stdio COMMAND ARGUMENT…    with IMAGEGATE_URL and IMAGEGATE_API_KEY
//   mcp_client.mjs each|race http URL                   with IMAGEGATE_API_KEY
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { getDefaultEnvironment, StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [what, kind, ...rest] = process.argv.slice(2);
const { IMAGEGATE_URL, IMAGEGATE_API_KEY, SSL_CERT_FILE } = process.env;
const [command, ...args] = rest;
const env = { ...getDefaultEnvironment(), IMAGEGATE_URL, IMAGEGATE_API_KEY, SSL_CERT_FILE };
const transport =
  kind === "stdio"
    ? new StdioClientTransport({ command, args, env })
    : new StreamableHTTPClientTransport(new URL(rest[0]), {
        requestInit: { headers: { Authorization: `Bearer ${IMAGEGATE_API_KEY}` } },
      });

const IMAGE = { prompt: "a logo", size: "816x816", quality: "low" };
const client = new Client({ name: "recipes", version: "1.0.0" });
await client.connect(transport);
const call = async (name, given = IMAGE) => await client.callTool({ name, arguments: given });
const of = (result, type) => result.content.filter((one) => one.type === type);
const text = (result) => of(result, "text").map((one) => one.text).join("\n");

async function callEach() {
  const { tools } = await client.listTools();
  const quote = await call("quote_image");
  const made = await call("generate_image");
  const looked = await call("get_task", { task_id: made.structuredContent.task_id });
  const edited = await call("edit_image", { ...IMAGE, images: [made.structuredContent.images[0]] });
  return {
    tools: tools.map(({ name }) => name),
    quote: quote.structuredContent,
    errors: [made, looked, edited].filter(({ isError }) => isError).map(text),
    images: [made, looked, edited].map((result) => of(result, "image")),
    links: [made, edited].map((result) => of(result, "resource_link").map(({ uri }) => uri)),
  };
}

async function race() {
  const raced = await Promise.all(Array.from({ length: 10 }, () => call("generate_image")));
  const credits = await call("get_credits", {});
  return {
    refusals: raced.filter(({ isError }) => isError).map(text),
    left: credits.structuredContent.cap_credits_left,
  };
}

const seen = what === "race" ? await race() : await callEach();
await client.close();
console.log(JSON.stringify(seen));
