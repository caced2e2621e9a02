// One card per run: what was asked for, its progress, its result.
import { html } from "html";
import { formatNumber, t } from "../i18n.js";
import { advice, RequestError, TaskError } from "./errors.js";
import { focusPrompt, setFields } from "./form.js";
import { RunResult } from "./result.js";
import { cancelRun, clock, dismissRun, isOver, retryRun, runs } from "./runs.js";

/** @typedef {import("./runs.js").Run} Run */

const EXAMPLES = ["fox", "harbour", "poster"];

/** Badge colours; states not named here have none. @type {Record<string, string>} */
const COLORS = {
  completed: "good",
  failed: "bad",
  refused: "bad",
  processing: "accent",
  pending: "accent",
  cancelled: "warn",
};

export function Runs() {
  const cards = runs.value.map((run) => html`<${RunCard} key=${run.key} run=${run} />`);
  return html`
    <section class="runs" aria-label=${t("playground.runs")}>${cards.length ? cards : html`<${Welcome} />`}</section>
  `;
}

/** Before the first run: an arch, and prompts to begin with. */
const Welcome = () => html`
  <div class="empty welcome">
    <svg viewBox="0 0 48 48" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true">
      <path d="M8 40V22a16 16 0 0 1 32 0v18" /><path d="M4 40h40" />
      <circle cx="24" cy="21" r="4" /><path d="m13 40 8-10 5 6 4-4 5 8" />
    </svg>
    <p>${t("playground.welcome")}</p>
    <p class="small">${t("playground.examples.title")}</p>
    <ul>${EXAMPLES.map((name) => html`<${Example} key=${name} prompt=${t(`playground.examples.${name}`)} />`)}</ul>
  </div>
`;

/** @param {{prompt: string}} props */
function Example({ prompt }) {
  const use = () => {
    setFields({ prompt });
    focusPrompt();
  };
  return html`<li><button class="button tight" type="button" data-example onClick=${use}>${prompt}</button></li>`;
}

/** pending, processing, completed, failed, cancelled, refused, sending, loading @param {Run} run */
function stateOf({ error, task, id }) {
  if (error) return "refused";
  if (!task) return id ? "loading" : "sending";
  return task.error?.code === "request_cancelled" ? "cancelled" : task.status;
}

/** @param {{run: Run}} props */
function RunCard({ run }) {
  const state = stateOf(run);
  const prompt = (run.task?.request ?? run.body)?.prompt;
  const over = isOver(run);
  return html`
    <article class="run card" data-state=${state} data-task=${run.id} aria-label=${prompt?.slice(0, 80) ?? run.id}>
      <header>
        <span class=${`badge ${COLORS[state] ?? ""}`} data-badge role="status">${t(`playground.state.${state}`)}</span>
        <p class="run-prompt">${prompt ?? html`<code>${run.id}</code>`}</p>
        ${over && html`<${DismissButton} run=${run} />`}
      </header>
      ${!over && html`<${Progress} run=${run} />`}
      ${run.error && html`<${RequestError} error=${run.error} /><${RetryButton} run=${run} />`}
      ${run.task?.status === "failed" && html`<${TaskError} task=${run.task} />`}
      ${over && run.task && html`<${RunResult} run=${run} />`}
    </article>
  `;
}

/** @param {{run: Run}} props */
function DismissButton({ run }) {
  const text = t("playground.dismiss");
  const dismiss = () => dismissRun(run);
  return html`
    <button class="button tight bare" type="button" aria-label=${text} title=${text} onClick=${dismiss}>✕</button>
  `;
}

/** A task that could not be loaded has no body to send again. @param {{run: Run}} props */
function RetryButton({ run }) {
  const retry = () => (run.body ? retryRun(run) : dismissRun(run));
  const text = t("app.retry");
  return html`<p class="row"><button class="button tight" type="button" onClick=${retry}>${text}</button></p>`;
}

/** @param {{run: Run}} props */
function Progress({ run }) {
  const { id, task, cancelling, cancelError, typicalSeconds, startedAt } = run;
  const seconds = formatNumber(Math.max(0, clock.value - Math.floor(task?.created ?? startedAt)));
  const percent = task?.progress ?? 0;
  const typical = typicalSeconds ? ` · ${t("playground.typical", { seconds: formatNumber(typicalSeconds) })}` : "";
  const cancelHint = task?.task_info.can_cancel ? "playground.cancel_free" : "playground.cancel_late";
  const cancel = () => cancelRun(run);
  return html`
    <div class="waiting">
      <progress max="100" value=${percent} aria-label=${t("playground.progress")}></progress>
      <p class="small soft">
        <span data-elapsed>${t("playground.elapsed", { seconds })}</span>${typical} · ${percent} %
      </p>
      <button class="button tight" type="button" disabled=${!id || cancelling} onClick=${cancel} data-cancel>
        ${t(cancelling ? "playground.cancelling" : "playground.cancel")}
      </button>
      ${task?.task_info.waiting && html`<p class="small soft wide" role="status">${t("playground.waits")}</p>`}
      ${task && html`<p class="small soft wide">${t(cancelHint)}</p>`}
      ${cancelError && html`<${CancelError} error=${cancelError} />`}
    </div>
  `;
}

/** @param {{error: import("../api.js").ApiError}} props */
const CancelError = ({ error }) => html`
  <p class="small error-text wide" role="alert">${error.message} ${advice(error.code)}</p>
`;
