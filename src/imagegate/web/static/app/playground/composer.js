// The left side: prompt, references, settings, price, run.
import { signal } from "@preact/signals";
import { html } from "html";
import { linkAdvice } from "../account.js";
import { withValue } from "../dom.js";
import { formatNumber, t } from "../i18n.js";
import { account, showToast, signInOpen } from "../store.js";
import { errorWithAdvice } from "./errors.js";
import { countCodePoints, fields, focusPrompt, maxPrompt, references, request, setFields } from "./form.js";
import { Price, PriceDetails, quote, quoteError, quoting } from "./price.js";
import { startRun } from "./runs.js";
import { Settings } from "./settings.js";
import { shortcutsOpen } from "./shortcuts.js";
import { showCode } from "./views.js";

/** @param {{children?: any}} props */
export function Composer({ children }) {
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    run();
  };
  return html`
    <form class="composer card" onSubmit=${submit} aria-label=${t("playground.form")}>
      <${Prompt} />
      ${children}
      <${Settings} />
      <${PriceDetails} />
      <${More} />
      <div class="run-bar"><${Price} /><${RunButton} /></div>
    </form>
  `;
}

/** Why the form cannot be run: the name of a text, or "". */
function obstacle() {
  const { prompt } = fields.value;
  if (!prompt.trim()) return "empty";
  if (countCodePoints(prompt) > maxPrompt.value) return "long";
  return references.value.some((reference) => reference.state === "loading") ? "uploading" : "";
}

/** Whether a create is under way: the button stays busy until its answer. */
const starting = signal(false);

/** Run what the form says, or say what is missing. */
export async function run() {
  if (!account.value) {
    signInOpen.value = true;
    return;
  }
  const reason = obstacle();
  if (reason) {
    showToast(t(`playground.obstacle.${reason}`), "bad");
    focusPrompt();
    return;
  }
  if (starting.value) return;
  starting.value = true;
  const body = request.value;
  const reply = await startRun(body, { quote: quote.value?.body === body ? quote.value : null });
  starting.value = false;
  if (reply.ok) showToast(t("playground.started"));
}

function Prompt() {
  const text = fields.value.prompt;
  const max = maxPrompt.value;
  const count = countCodePoints(text);
  const setPrompt = withValue((prompt) => setFields({ prompt }));
  return html`
    <div class="field">
      <label for="pg-prompt">${t("playground.prompt.title")}</label>
      <textarea
        class="input prompt"
        id="pg-prompt"
        rows="5"
        placeholder=${t("playground.prompt.example")}
        value=${text}
        aria-describedby="pg-count"
        aria-invalid=${count > max ? "true" : "false"}
        aria-keyshortcuts="/ Control+Enter Meta+Enter"
        onInput=${setPrompt}
      ></textarea>
      <p class=${`count small ${count > max ? "error-text" : "soft"}`} id="pg-count">
        <span data-count>${formatNumber(count)}</span> / ${formatNumber(max)}
      </p>
    </div>
  `;
}

/** What is in the way of a run as the gateway sees it, if anything. */
function hindrance() {
  if (account.value === null) return `${t("playground.obstacle.signed_out")} ${linkAdvice()}`;
  if (quoteError.value) return errorWithAdvice(quoteError.value);
  return quote.value && !quote.value.affordable && !quoting.value ? t("playground.unaffordable") : "";
}

function RunButton() {
  const text = t(account.value === null ? "app.account.sign_in" : "playground.run");
  const modifier = /Mac|iP/.test(navigator.platform) ? "⌘" : "Ctrl";
  return html`
    <div class="run-button">
      <p class="error-text small" aria-live="polite" data-hindrance>${hindrance()}</p>
      <button class="button main tall" type="submit" aria-busy=${starting.value} data-run>
        ${text} <kbd aria-hidden="true">${modifier} ↵</kbd>
      </button>
    </div>
  `;
}

function More() {
  const showShortcuts = () => {
    shortcutsOpen.value = true;
  };
  return html`
    <div class="more-actions">
      <p class="small soft">${t("playground.price.about")}</p>
      <p class="row">
        <button class="button tight" type="button" data-as-code onClick=${() => showCode()}>
          ${t("playground.code.open")}
        </button>
        <button class="button tight" type="button" onClick=${showShortcuts}>
          ${t("playground.shortcuts.open")}
        </button>
      </p>
    </div>
  `;
}
