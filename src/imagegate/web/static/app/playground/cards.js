// One card a run: what was asked, how far it is, what came of it.
import { html } from "html";
import { number, t } from "../i18n.js";
import { change } from "./form.js";
import { Failure, Refusal, advice } from "./faults.js";
import { again, cancel, dismiss, isOver, now, runs } from "./runs.js";
import { Outcome } from "./outcome.js";

export function Runs() {
  return html`<section class="runs" aria-label=${t("playground.runs")}>
    ${runs.value.length ? runs.value.map((run) => html`<${Card} key=${run.key} run=${run} />`) : html`<${Nothing} />`}
  </section>`;
}

/** Before the first run: the arch, and prompts to begin with. */
function Nothing() {
  const take = (/** @type {string} */ prompt) => {
    change({ prompt });
    document.getElementById("pg-prompt")?.focus();
  };
  return html`<div class="empty nothing">
    <svg viewBox="0 0 48 48" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true"><path d="M8 40V22a16 16 0 0 1 32 0v18" /><path d="M4 40h40" /><circle cx="24" cy="21" r="4" /><path d="m13 40 8-10 5 6 4-4 5 8" /></svg>
    <p>${t("playground.empty")}</p>
    <p class="small">${t("playground.begin")}</p>
    <ul>${["fox", "harbour", "poster"].map((name) => html`<li key=${name}><button class="button tight" type="button" data-example onClick=${() => take(t(`playground.examples.${name}`))}>${t(`playground.examples.${name}`)}</button></li>`)}</ul>
  </div>`;
}

/** @typedef {import("./runs.js").Run} Run */

/** pending, processing, completed, failed, cancelled, refused, sending, loading @param {Run} run */
function stateOf(run) {
  if (run.fault) return "refused";
  if (!run.task) return run.id ? "loading" : "sending";
  return run.task.error?.code === "request_cancelled" ? "cancelled" : run.task.status;
}

/** @type {Record<string, string>} */
const TONES = { completed: "good", failed: "bad", refused: "bad", processing: "accent", pending: "accent", cancelled: "warn" };

/** @param {{run: Run}} props */
function Card({ run }) {
  const state = stateOf(run);
  const asked = run.task?.request ?? run.body;
  return html`<article class="run card" data-state=${state} data-task=${run.id} aria-label=${asked?.prompt?.slice(0, 80) ?? run.id}>
    <header>
      <span class=${`badge ${TONES[state] ?? ""}`} data-badge role="status">${t(`playground.state.${state}`)}</span>
      <p class="run-prompt">${asked?.prompt ?? html`<code>${run.id}</code>`}</p>
      ${isOver(run) && html`<button class="button tight bare" type="button" aria-label=${t("playground.dismiss")} title=${t("playground.dismiss")} onClick=${() => dismiss(run)}>✕</button>`}
    </header>
    ${!isOver(run) && html`<${Waiting} run=${run} />`}
    ${run.fault && html`<${Refusal} bad=${run.fault} /><p class="row"><button class="button tight" type="button" onClick=${() => (run.body ? again(run) : dismiss(run))}>${t("app.retry")}</button></p>`}
    ${run.task?.status === "failed" && html`<${Failure} task=${run.task} />`}
    ${isOver(run) && run.task && html`<${Outcome} run=${run} />`}
  </article>`;
}

/** @param {{run: Run}} props */
function Waiting({ run }) {
  const elapsed = Math.max(0, now.value - Math.floor(run.task?.created ?? run.started));
  const progress = run.task?.progress ?? 0;
  return html`<div class="waiting">
    <progress max="100" value=${progress} aria-label=${t("playground.progress")}></progress>
    <p class="small soft"><span data-elapsed>${t("playground.elapsed", { seconds: number(elapsed) })}</span>${run.typical ? ` · ${t("playground.typical", { seconds: number(run.typical) })}` : ""} · ${progress} %</p>
    <button class="button tight" type="button" disabled=${!run.id || run.cancelling} onClick=${() => cancel(run)} data-cancel>${t(run.cancelling ? "playground.cancelling" : "playground.cancel")}</button>
    ${run.task && html`<p class="small soft wide">${t(run.task.task_info.can_cancel ? "playground.cancel_free" : "playground.cancel_late")}</p>`}
    ${run.notice && html`<p class="small fault-text wide" role="alert">${run.notice.message} ${advice(run.notice.code)}</p>`}
  </div>`;
}
