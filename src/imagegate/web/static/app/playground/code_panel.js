// The request as code: the form's, live, or that of a task in a dialog.
import { signal } from "@preact/signals";
import { html } from "html";
import { copyText } from "../clipboard.js";
import { Dialog } from "../dialog.js";
import { t } from "../i18n.js";
import { readStored, writeStored } from "../storage.js";
import { blockers, request } from "./form.js";
import { highlight } from "./highlight.js";
import { PROGRAMS } from "./snippets.js";
import { codeBody } from "./views.js";

const STORAGE_KEY = "imagegate.code";

const chosen = signal(storedChoice());

function storedChoice() {
  const name = readStored(STORAGE_KEY);
  return name in PROGRAMS ? name : "curl";
}

/** @param {string} name */
function choose(name) {
  chosen.value = name;
  writeStored(STORAGE_KEY, name);
}

export function CodeDialog() {
  const body = codeBody.value;
  if (!body) return null;
  const close = () => {
    codeBody.value = null;
  };
  return html`
    <${Dialog} title=${t("playground.code.title")} className="pg-dialog wide" closeButton onClose=${close}>
      <${CodePanel} body=${body} />
    <//>
  `;
}

/** @param {{body?: any}} props `body`: what the form asks for, if left out */
export function CodePanel({ body }) {
  const { language, title, write } = PROGRAMS[chosen.value];
  const program = write(body ?? request.value);
  return html`
    <section class="code-panel" aria-label=${t("playground.code.title")}>
      <div class="code">
        <div class="code-head">
          <${Languages} />
          <button type="button" data-copy-code onClick=${() => copyText(program)}>${t("playground.code.copy")}</button>
        </div>
        <pre tabindex="0" aria-label=${title}><code data-program>${highlight(program, language).map(piece)}</code></pre>
      </div>
      ${!body && blockers.value.length > 0 && html`<p class="small" data-code-blocker>${blockers.value[0]}</p>`}
      <p class="small soft">${t("playground.code.about")}</p>
    </section>
  `;
}

/** @param {import("./highlight.js").Piece} piece */
const piece = ({ kind, text }) => (kind ? html`<span class=${`code-${kind}`}>${text}</span>` : text);

function Languages() {
  const button = (/** @type {string} */ name) => html`
    <button
      key=${name}
      type="button"
      aria-pressed=${name === chosen.value}
      data-language=${name}
      onClick=${() => choose(name)}
    >${PROGRAMS[name].title}</button>
  `;
  return html`
    <div class="code-languages" role="group" aria-label=${t("playground.code.language")}>
      ${Object.keys(PROGRAMS).map(button)}
    </div>
  `;
}
