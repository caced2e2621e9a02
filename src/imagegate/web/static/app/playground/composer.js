// The left side: prompt, references, settings, price, run.
import { html } from "html";
import { number, t } from "../i18n.js";
import { account, signingIn, toast } from "../store.js";
import { change, codePoints, fields, model, references, request } from "./form.js";
import { Price, quote, quoteFault, quoting } from "./price.js";
import { Settings } from "./settings.js";
import { coding } from "./snippets.js";
import { start } from "./runs.js";
import { helping } from "./keys.js";
import { advice } from "./faults.js";

/** @param {{children?: any}} props */
export function Composer({ children }) {
  return html`<form class="composer card" onSubmit=${submit} aria-label=${t("playground.form")}>
    <${Prompt} />
    ${children}
    <${Settings} />
    <div class="pay"><${Price} /><${Go} /></div>
  </form>`;
}

/** @param {Event} event */
function submit(event) {
  event.preventDefault();
  go();
}

/** Why nothing can run now: the name of a text, or "". */
export function obstacle() {
  const most = model.value.parameters.prompt?.max_code_points ?? 32000;
  if (!account.value) return "signed_out";
  if (!fields.value.prompt.trim()) return "empty";
  if (codePoints(fields.value.prompt) > most) return "long";
  return references.value.some((one) => one.state === "loading") ? "uploading" : "";
}

export function go() {
  const why = obstacle();
  if (why === "signed_out") signingIn.value = true;
  else if (why) {
    toast(t(`playground.obstacle.${why}`), "bad");
    document.getElementById("pg-prompt")?.focus();
  } else {
    const body = request.value;
    start(body, quote.value?.of === body ? quote.value : null);
    toast(t("playground.started"));
  }
}

function Prompt() {
  const text = fields.value.prompt;
  const most = model.value.parameters.prompt?.max_code_points ?? 32000;
  const count = codePoints(text);
  return html`<div class="field">
    <label for="pg-prompt">${t("playground.prompt.title")}</label>
    <textarea class="input prompt" id="pg-prompt" rows="5" placeholder=${t("playground.prompt.example")} value=${text} aria-describedby="pg-count" aria-invalid=${count > most ? "true" : "false"} aria-keyshortcuts="/ Control+Enter Meta+Enter" onInput=${(/** @type {any} */ event) => change({ prompt: event.target.value })}></textarea>
    <p class=${`count small ${count > most ? "fault-text" : "soft"}`} id="pg-count"><span data-count>${number(count)}</span> / ${number(most)}</p>
  </div>`;
}

function Go() {
  const fault = quoteFault.value;
  const signedOut = account.value === null;
  return html`<div class="go">
    <button class="button main tall" type="submit" data-run>${t(signedOut ? "app.account.sign_in" : "playground.run")} <kbd aria-hidden="true">${/Mac|iP/.test(navigator.platform) ? "⌘" : "Ctrl"} ↵</kbd></button>
    <p class="row go-more"><button class="button tight bare" type="button" onClick=${() => (coding.value = request.value)}>${t("playground.code.open")}</button><button class="button tight bare" type="button" onClick=${() => (helping.value = true)}>${t("playground.keys.open")}</button></p>
    <p class="go-about small" aria-live="polite">${signedOut ? t("playground.obstacle.signed_out")
      : fault ? html`<span class="fault-text">${fault.status ? fault.message : t("app.errors.network")} ${advice(fault.code, fault.retryAfter)}</span>`
      : quote.value && !quote.value.affordable && !quoting.value ? html`<span class="fault-text">${t("playground.short")}</span>`
      : html`<span class="soft">${t("playground.about_price")}</span>`}</p>
  </div>`;
}
