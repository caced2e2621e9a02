// The request as programs that run unchanged where IMAGEGATE_KEY holds a key: they wait for the end and save the files.
import { html } from "html";
import { useState } from "preact/hooks";
import { t } from "../i18n.js";
import { showToast } from "../store.js";
import { request } from "./form.js";
import { codeBody } from "./views.js";

const origin = () => document.documentElement.dataset.origin || location.origin;
/** For a POSIX shell. */
const shellQuote = (/** @type {string} */ text) => `'${text.replaceAll("'", "'\\''")}'`;

/** @param {any} body */
function curl(body) {
  return `curl -sS ${shellQuote(`${origin()}/v1/images/generations`)} \\
  -H "Authorization: Bearer $IMAGEGATE_KEY" \\
  -H 'Content-Type: application/json' \\
  -H 'Prefer: wait=60' \\
  -d ${shellQuote(JSON.stringify(body))}
`;
}

/** JSON is Python but for three words, and these requests have none of them as a value. @param {any} body */
function python(body) {
  return `import json
import os
import urllib.request

BASE = ${JSON.stringify(origin())}
BODY = ${JSON.stringify(body, null, 4)}


def call(path, body=None):
    headers = {"Authorization": "Bearer " + os.environ["IMAGEGATE_KEY"], "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(BASE + path, data, headers)) as response:
        return json.load(response)


task = call("/v1/images/generations", BODY)
while task["status"] not in ("completed", "failed"):
    task = call("/v1/tasks/" + task["id"] + "?wait=60")
if task["status"] == "failed":
    raise SystemExit(task["error"]["message"])
for number, url in enumerate(task["results"]):
    name = f"{task['id']}-{number + 1}." + url.partition("?")[0].rpartition(".")[2]
    urllib.request.urlretrieve(url, name)
    print(name)
print(task["usage"]["cost"])
`;
}

/** @param {any} body */
function javascript(body) {
  return `// Node 18 or later; save as image.mjs
import { writeFile } from "node:fs/promises";

const base = ${JSON.stringify(origin())};
const body = ${JSON.stringify(body, null, 2)};

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
for (const [number, url] of task.results.entries()) {
  const name = \`\${task.id}-\${number + 1}.\${new URL(url).pathname.split(".").pop()}\`;
  await writeFile(name, new Uint8Array(await (await fetch(url)).arrayBuffer()));
  console.log(name);
}
console.log(task.usage.cost);
`;
}

/** @type {Record<string, (body: any) => string>} */
const PROGRAMS = { cURL: curl, Python: python, JavaScript: javascript };

/** The code of one request, or of what the form says. */
export const CodePanel = () => html`<${Programs} body=${codeBody.value ?? request.value} />`;

/** @param {string} text */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    showToast(t("app.copied"));
  } catch {
    showToast(t("playground.no_clipboard"), "bad");
  }
}

/** @param {{body: any}} props */
function Programs({ body }) {
  const [language, setLanguage] = useState("cURL");
  const text = PROGRAMS[language](body);
  const button = (/** @type {string} */ name) => html`
    <button
      key=${name}
      type="button"
      class="button tight"
      aria-pressed=${name === language}
      data-language=${name}
      onClick=${() => setLanguage(name)}
    >${name}</button>
  `;
  return html`
    <div class="code-panel">
    <p class="small soft">${t("playground.code.about")}</p>
    <div class="row code-names">
      ${Object.keys(PROGRAMS).map(button)}
      <button type="button" class="button tight main" onClick=${() => copyText(text)}>
        ${t("playground.code.copy")}
      </button>
    </div>
    <div class="code"><pre tabindex="0"><code data-program>${text}</code></pre></div>
    </div>
  `;
}
