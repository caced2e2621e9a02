// The left side: prompt, references, settings, price, run.
import { signal } from "@preact/signals";
import { html } from "html";
import { useEffect, useRef } from "preact/hooks";
import { linkAdvice } from "../account.js";
import { withValue } from "../dom.js";
import { errorWithAdvice, showError } from "../errors.js";
import { formatNumber, t } from "../i18n.js";
import { account, refreshBalance, showToast, signInOpen } from "../store.js";
import { followFold } from "./column.js";
import { watchDraft } from "./draft.js";
import {
  blockers,
  countCodePoints,
  faults,
  fields,
  focusPrompt,
  overwritten,
  request,
  restoreForm,
  setFields,
  steps,
} from "./form.js";
import { maxPrompt } from "./model.js";
import { BalanceAfter, Price, PriceLines, quote, quoteError, quoting } from "./price.js";
import { loadQuote } from "./quotes.js";
import { checkStored } from "./references.js";
import { startRun } from "./runs.js";
import { Settings } from "./settings.js";
import { COMMAND, shortcutsOpen } from "./shortcuts.js";
import { maximumText } from "./spend_button.js";

/** @param {{children?: any}} props */
export function Composer({ children }) {
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  useEffect(watchDraft, []);
  useEffect(() => (form.current ? followFold(form.current) : undefined), []);
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    run();
  };
  return html`
    <form class="composer card" ref=${form} onSubmit=${submit} aria-label=${t("playground.form")}>
      <div class="composer-head"><${UndoNote} /><${Prompt} /></div>
      <div class="composer-rest">
        <div class="composer-body">
          ${children}
          <${Settings} />
          <${PriceLines} />
          <${More} />
        </div>
        <${BalanceAfter} />
        <div class="run-bar"><${Hindrance} /><${Price} /><${RunButton} /></div>
      </div>
    </form>
  `;
}

/** Whether a create is under way: the button stays busy until its answer. */
const starting = signal(false);

/** Run what the form says, or say what is missing. */
export async function run() {
  if (!account.value) {
    signInOpen.value = true;
    return;
  }
  if (starting.value || !isRunnable()) return;
  starting.value = true;
  const body = request.value;
  await checkStored();
  if (isRunnable()) await buy(body);
  starting.value = false;
}

/** Says what is in the way, if anything. */
function isRunnable() {
  const [blocker] = blockers.value;
  if (!blocker) return true;
  showToast(blocker, "bad");
  if (!fields.value.prompt.trim()) focusPrompt();
  return false;
}

/** Nothing is bought whose price is not known. @param {any} body */
async function buy(body) {
  const reply = await loadQuote(body);
  if (!reply.ok) return showError(reply);
  if (!reply.value.affordable) {
    refreshBalance(); // somebody may have added credits
    return showToast(t("playground.unaffordable"), "bad");
  }
  const started = await startRun(body, { quote: reply.value });
  if (!started.ok) return;
  overwritten.value = null;
  steps.value += 1;
  showToast(t("playground.started"));
}

/** After the form was filled from elsewhere: the way back to what was typed. */
function UndoNote() {
  const before = overwritten.value;
  if (!before) return null;
  const forget = () => {
    overwritten.value = null;
  };
  const undo = () => {
    restoreForm(before);
    forget();
    focusPrompt();
  };
  return html`
    <p class="undo-note small" role="status" data-undo>
      <span>${t("playground.overwritten")}</span>
      <button class="button tight" type="button" onClick=${undo}>${t("playground.undo")}</button>
      <button class="button tight bare" type="button" aria-label=${t("app.close")} onClick=${forget}>✕</button>
    </p>
  `;
}

function Prompt() {
  const text = fields.value.prompt;
  const max = maxPrompt.value;
  const count = countCodePoints(text);
  const setPrompt = withValue((prompt) => setFields({ prompt }));
  return html`
    <div class="field">
      <div class="prompt-head">
        <label class="label" for="pg-prompt">${t("playground.prompt.title")}</label>
        <p class=${`count small ${count > max ? "error-text" : "soft"}`} id="pg-count">
          <span data-count>${formatNumber(count)}</span> / ${formatNumber(max)}
        </p>
      </div>
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
    </div>
  `;
}

/** What is in the way of a run, apart from an empty prompt, which shows itself. */
function hindrance() {
  if (faults.value.length) return faults.value[0];
  if (quoteError.value?.code === "signed_out") return `${t("playground.obstacle.signed_out")} ${linkAdvice()}`;
  // A lost connection is told by itself, once.
  if (quoteError.value) return quoteError.value.status ? errorWithAdvice(quoteError.value) : "";
  return account.value && quote.value?.affordable === false && !quoting.value ? t("playground.unaffordable") : "";
}

const Hindrance = () => html`<p class="error-text small" aria-live="polite" data-hindrance>${hindrance()}</p>`;

function RunButton() {
  const text = t(account.value === null ? "playground.sign_in_to_run" : "playground.run");
  return html`
    <button
      class="button main tall"
      type="submit"
      title=${quote.value ? maximumText(quote.value) : ""}
      aria-busy=${starting.value}
      data-run
    >
      ${text} ${account.value && html`<kbd aria-hidden="true">${COMMAND} ↵</kbd>`}
    </button>
  `;
}

function More() {
  const showShortcuts = () => {
    shortcutsOpen.value = true;
  };
  return html`
    <p class="small soft">${t("playground.price.about")}</p>
    <p class="row">
      <button class="button tight" type="button" onClick=${showShortcuts}>
        ${t("playground.shortcuts.open")}
      </button>
    </p>
  `;
}
