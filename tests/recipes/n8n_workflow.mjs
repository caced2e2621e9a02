// Runs the OpenAI nodes of n8n.json, in the order in which they are connected, by n8n's own code: its operations, its
// check of parameters and its HTTP client. What n8n's engine gives to a node is what `context` has.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, url, apiKey] = process.argv.slice(2);
const require = createRequire(join(modules, "n8n.cjs"));
require("reflect-metadata");
const { Container } = require("@n8n/di");
const { OutboundHttp } = require("@n8n/backend-network");
const { NodeHelpers } = require("n8n-workflow");
// by its path, since the package exports none of it
const image = require(join(modules, "@n8n/n8n-nodes-langchain/dist/nodes/vendors/OpenAi/v2/actions/image/index.js"));

const RESOURCE = { displayName: "Resource", name: "resource", type: "options", options: [], default: "text" };
const FILES = { Generate: "fox.png", Edit: "blue.png" };

function context(node, parameters, item) {
  return {
    getNode: () => node,
    getCredentials: async () => ({ url, apiKey }),
    getNodeParameter(name, _, fallback, options) {
      const value = parameters[name] ?? fallback;
      return options?.extractValue && value?.__rl ? value.value : value;
    },
    helpers: {
      async requestWithAuthentication(_, options) {
        options.headers.Authorization = `Bearer ${apiKey}`;
        return await Container.get(OutboundHttp).requests().requestLegacy(options);
      },
      prepareBinaryData: async (data) => ({ data, mimeType: "image/png", fileName: "data.png" }),
      assertBinaryData: (_, name) => item.binary[name],
      getBinaryDataBuffer: async (_, name) => item.binary[name].data,
      binaryToBuffer: async (data) => data,
    },
  };
}

const { nodes, connections } = JSON.parse(readFileSync("n8n.json", "utf8"));
let node = nodes.find(({ type }) => type === "n8n-nodes-base.manualTrigger");
let item = { json: {} };
while (connections[node.name]) {
  const [[{ node: next }]] = connections[node.name].main;
  node = nodes.find(({ name }) => name === next);
  const parameters = NodeHelpers.getNodeParameters([RESOURCE, ...image.description], node.parameters, true, false, node, null);
  for (const name of Object.keys(node.parameters)) {
    if (!(name in parameters)) throw new Error(`${node.name} has no parameter ${name}`);
  }
  [item] = await image[parameters.operation].execute.call(context(node, parameters, item), 0);
  writeFileSync(FILES[node.name], item.binary.data.data);
}
