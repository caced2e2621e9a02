// How far a run is: state, time, cancel. Used by its tile and by the drawer.
import { html } from "html";
import { errorWithAdvice } from "../errors.js";
import { formatNumber, t } from "../i18n.js";
import { cancelRun, clock, dismissRun, retryRun } from "./runs.js";

/** @typedef {import("./runs.js").Run} Run */

/** Badge colours; states not named here have none. @type {Record<string, string>} */
const COLORS = {
  completed: "good",
  failed: "bad",
  refused: "bad",
  processing: "accent",
  pending: "accent",
  cancelled: "warn",
};

/** @param {{state: string, announced?: boolean}} props `announced`: a screen reader tells its changes */
export const StateBadge = ({ state, announced }) => html`
  <span class=${`badge ${COLORS[state] ?? ""}`} data-badge role=${announced ? "status" : undefined}>
    ${t(`playground.state.${state}`)}
  </span>
`;

/** @param {{run: Run}} props */
export function Elapsed({ run: { task, typicalSeconds, startedAt } }) {
  const seconds = formatNumber(Math.max(0, clock.value - Math.floor(task?.created ?? startedAt)));
  const typical = typicalSeconds ? ` · ${t("playground.typical", { seconds: formatNumber(typicalSeconds) })}` : "";
  return html`<span data-elapsed>${t("playground.elapsed", { seconds })}</span>${typical}`;
}

/** What a cancel would cost. @param {any} task */
const cancelText = (task) => t(task.task_info?.can_cancel ? "playground.cancel_free" : "playground.cancel_late");

/** @param {{run: Run}} props */
export function Cancel({ run }) {
  const { id, task, cancelling } = run;
  const disabled = !id || cancelling;
  return html`
    <button
      class="button tight"
      type="button"
      disabled=${disabled}
      title=${task ? cancelText(task) : ""}
      onClick=${() => cancelRun(run)}
      data-cancel
    >
      ${t(cancelling ? "playground.cancelling" : "playground.cancel")}
    </button>
  `;
}

/** @param {{run: Run}} props */
export function Progress({ run }) {
  const { task, cancelError } = run;
  const percent = task?.progress ?? 0;
  return html`
    <div class="waiting">
      <progress max="100" value=${percent} aria-label=${t("playground.progress")}></progress>
      <p class="small soft"><${Elapsed} run=${run} /> · ${percent}%</p>
      <${Cancel} run=${run} />
      ${task?.task_info?.waiting && html`<p class="small soft wide" role="status">${t("playground.waits")}</p>`}
      ${task && html`<p class="small soft wide">${cancelText(task)}</p>`}
      ${cancelError && html`<p class="small error-text wide" role="alert">${errorWithAdvice(cancelError)}</p>`}
    </div>
  `;
}

/** A task that could not be loaded has no body to send again. @param {{run: Run}} props */
export function RetryButton({ run }) {
  const retry = () => (run.body ? retryRun(run) : dismissRun(run));
  return html`<button class="button tight" type="button" onClick=${retry}>${t("app.retry")}</button>`;
}
