// The request as programs that run unchanged where IMAGEGATE_KEY holds a key: they wait for the end and save the files.

const origin = () => document.documentElement.dataset.origin || location.origin;

/** For a POSIX shell. @param {string} text */
const shellQuote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** @param {any} value @param {number} indent */
const json = (value, indent) => JSON.stringify(value, null, indent);

/**
 * As Biome and Prettier write it: keys without quotes. A line that begins with a key is one, since JSON escapes the
 * newlines of its texts.
 * @param {any} value
 */
const literal = (value) => json(value, 2).replaceAll(/^( +)"(\w+)":/gm, "$1$2:");

/** What the files are called. @param {any} body */
const extension = (body) => (body.output_format === "jpeg" ? "jpg" : (body.output_format ?? "png"));

/** No comment in it: an interactive zsh takes a pasted one for a command. @param {any} body */
function curl(body) {
  return `task=$(curl -sS ${shellQuote(`${origin()}/v1/images/generations`)} \\
  -H "Authorization: Bearer $IMAGEGATE_KEY" \\
  -H 'Content-Type: application/json' \\
  -H 'Prefer: wait=60' \\
  -d ${shellQuote(json(body, 2))})
id=$(printf '%s' "$task" | grep -o '"id": *"[^"]*"' | head -n 1 | cut -d '"' -f 4)
while printf '%s' "$task" | grep -qE '"status": *"(pending|processing)"'; do
  task=$(curl -sS --retry 5 "${origin()}/v1/tasks/$id?wait=60" \\
    -H "Authorization: Bearer $IMAGEGATE_KEY")
done
printf '%s' "$task" | grep -o '"results": *\\[[^]]*' | grep -o 'http[^"]*' | {
  number=0
  while read -r url; do
    number=$((number + 1))
    curl -sS -o "$id-$number.${extension(body)}" "$url" && echo "$id-$number.${extension(body)}"
  done
  [ "$number" -gt 0 ] || { printf '%s\\n' "$task" >&2; false; }
}
`;
}

/** JSON is Python but for three words, and these requests have none of them as a value. @param {any} body */
function python(body) {
  return `import json
import os
import urllib.error
import urllib.request

BASE = ${json(origin(), 0)}
BODY = ${json(body, 4)}


def call(path, body=None):
    headers = {"Authorization": "Bearer " + os.environ["IMAGEGATE_KEY"], "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(BASE + path, data, headers)) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise SystemExit(error.read().decode())


task = call("/v1/images/generations", BODY)
while task["status"] not in ("completed", "failed"):
    task = call("/v1/tasks/" + task["id"] + "?wait=60")
if task["status"] == "failed":
    raise SystemExit(task["error"]["message"])
for number, url in enumerate(task["results"], 1):
    name = f"{task['id']}-{number}.${extension(body)}"
    urllib.request.urlretrieve(url, name)
    print(name)
print(task["usage"]["cost"])
`;
}

/** @param {any} body */
function javascript(body) {
  return `// Node 18 or later; save as image.mjs
import { writeFile } from "node:fs/promises";

const base = ${json(origin(), 0)};
const body = ${literal(body)};

async function call(path, body) {
  const headers = { Authorization: \`Bearer \${process.env.IMAGEGATE_KEY}\`, "Content-Type": "application/json" };
  const init = { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) };
  const response = await fetch(base + path, init);
  if (!response.ok) throw new Error(await response.text());
  return response.json();
}

let task = await call("/v1/images/generations", body);
while (!["completed", "failed"].includes(task.status)) task = await call(\`/v1/tasks/\${task.id}?wait=60\`);
if (task.status === "failed") throw new Error(task.error.message);
for (const [index, url] of task.results.entries()) {
  const name = \`\${task.id}-\${index + 1}.${extension(body)}\`;
  const response = await fetch(url);
  await writeFile(name, new Uint8Array(await response.arrayBuffer()));
  console.log(name);
}
console.log(task.usage.cost);
`;
}

/** References are an edit there, and travel as files. @param {any} body */
function openai({ image_urls: urls = [], mask_url: mask, ...settings }) {
  const edits = urls.length > 0;
  const load = `
async function load(url) {
  return toFile(await fetch(url), new URL(url).pathname.split("/").pop());
}
`;
  const files = `  image: await Promise.all(${literal(urls).replaceAll("\n", "\n  ")}.map(load)),
${mask ? `  mask: await load(${json(mask, 0)}),\n` : ""}`;
  return `// npm install openai; save as image.mjs
import { writeFile } from "node:fs/promises";
import OpenAI${edits ? ", { toFile }" : ""} from "openai";

const client = new OpenAI({
  baseURL: ${json(`${origin()}/openai/v1`, 0)},
  apiKey: process.env.IMAGEGATE_KEY,
  maxRetries: 10, // a repeat waits for the same image and buys nothing
});
${edits ? load : ""}
const answer = await client.images.${edits ? "edit" : "generate"}(${literal(settings).slice(0, -2)},
${edits ? files : ""}});
for (const [index, image] of answer.data.entries()) {
  const name = \`image-\${answer.created}-\${index + 1}.${extension(settings)}\`;
  await writeFile(name, Buffer.from(image.b64_json, "base64"));
  console.log(name);
}
`;
}

/**
 * A raw string takes no escape: what ends one, and what Go's sources may not contain, JSON can escape.
 * @param {any} body
 */
const goRawString = (body) => `\`${json(body, 2).replaceAll("`", "\\u0060").replaceAll("\ufeff", "\\ufeff")}\``;

/** @param {any} body */
function go(body) {
  return `// save as image.go, then: go run image.go
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
)

const base = ${json(origin(), 0)}

const body = ${goRawString(body)}

type Task struct {
	ID, Status string
	Results    []string
	Error      struct{ Message string }
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func call(method, path, body string) (task Task) {
	request, err := http.NewRequest(method, base+path, strings.NewReader(body))
	check(err)
	request.Header.Set("Authorization", "Bearer "+os.Getenv("IMAGEGATE_KEY"))
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	check(err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	check(err)
	if response.StatusCode != http.StatusOK {
		log.Fatal(string(answer))
	}
	check(json.Unmarshal(answer, &task))
	return task
}

func save(url, name string) {
	response, err := http.Get(url)
	check(err)
	defer response.Body.Close()
	image, err := io.ReadAll(response.Body)
	check(err)
	check(os.WriteFile(name, image, 0o644))
	fmt.Println(name)
}

func main() {
	task := call("POST", "/v1/images/generations", body)
	for task.Status == "pending" || task.Status == "processing" {
		task = call("GET", "/v1/tasks/"+task.ID+"?wait=60", "")
	}
	if task.Status == "failed" {
		log.Fatal(task.Error.Message)
	}
	for index, url := range task.Results {
		save(url, fmt.Sprintf("%s-%d.${extension(body)}", task.ID, index+1))
	}
}
`;
}

/**
 * By name: the language that its words are those of, its name on the page, and what writes it.
 * @type {Record<string, {language: import("./highlight.js").Language, title: string, write: (body: any) => string}>}
 */
export const PROGRAMS = {
  curl: { language: "shell", title: "cURL", write: curl },
  python: { language: "python", title: "Python", write: python },
  javascript: { language: "javascript", title: "JavaScript", write: javascript },
  openai: { language: "javascript", title: "Node · openai", write: openai },
  go: { language: "go", title: "Go", write: go },
};
