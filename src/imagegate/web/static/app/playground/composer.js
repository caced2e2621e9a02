// The left side: prompt, references, settings, price, run.
import { html } from "html";
import { number, t } from "../i18n.js";
import { account, signingIn, toast } from "../store.js";
import { change, codePoints, fields, model, references, request } from "./form.js";
import { Price, PriceLines, quote, quoteFault, quoting } from "./price.js";
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
    <${PriceLines} />
    <${More} />
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

/** What stands between the visitor and the run, if anything. */
function hindrance() {
  const fault = quoteFault.value;
  if (account.value === null) return t("playground.obstacle.signed_out");
  if (fault) return `${fault.status ? fault.message : t("app.errors.network")} ${advice(fault.code, fault.retryAfter)}`;
  return quote.value && !quote.value.affordable && !quoting.value ? t("playground.short") : "";
}

function Go() {
  return html`<div class="go">
    <p class="fault-text small" aria-live="polite" data-hindrance>${hindrance()}</p>
    <button class="button main tall" type="submit" data-run>${t(account.value === null ? "app.account.sign_in" : "playground.run")} <kbd aria-hidden="true">${/Mac|iP/.test(navigator.platform) ? "⌘" : "Ctrl"} ↵</kbd></button>
  </div>`;
}

const More = () => html`<div class="go-more">
  <p class="small soft">${t("playground.about_price")}</p>
  <p class="row"><button class="button tight" type="button" data-as-code onClick=${() => (coding.value = request.value)}>${t("playground.code.open")}</button><button class="button tight" type="button" onClick=${() => (helping.value = true)}>${t("playground.keys.open")}</button></p>
</div>`;
