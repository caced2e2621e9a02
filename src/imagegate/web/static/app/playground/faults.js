// What went wrong, in words that say what to do and whether anything was charged.
import { html } from "html";
import { t } from "../i18n.js";

const ADVICE = [
  "insufficient_quota", "insufficient_token_quota", "token_daily_quota_exceeded", "model_access_denied",
  "rate_limit_exceeded", "permission_denied", "signed_out", "unauthorized", "network", "content_policy_violation",
  "invalid_parameters", "image_processing_error", "image_dimension_mismatch", "generation_timeout",
  "service_unavailable", "generation_failed_no_content", "service_error", "request_cancelled", "resource_exhausted",
  "file_too_large", "file_type_not_allowed", "file_quota_exceeded", "task_not_cancellable",
];

/** What to do about a code; empty where the message says it all. @param {string} code @param {number} [seconds] */
export function advice(code, seconds) {
  return ADVICE.includes(code) ? t(`playground.advice.${code}`, { seconds: seconds ?? 10 }) : "";
}

/** A refused request: there is no task, and nothing is held. @param {{bad: import("../api.js").Bad}} props */
export function Refusal({ bad }) {
  const lost = bad.status === 0;
  return html`<div class="fault-box" role="alert">
    <p><b>${lost ? t("app.errors.network") : bad.message}</b></p>
    <p>${lost ? "" : advice(bad.code, bad.retryAfter)} ${t(lost ? "playground.charged.unknown" : "playground.charged.nothing")}</p>
  </div>`;
}

/** A task that failed. @param {{task: any}} props */
export function Failure({ task }) {
  const error = task.error ?? {};
  const charged = Number(task.billing?.charged_credits ?? 0);
  return html`<div class="fault-box" role="alert">
    <p><b>${error.message ?? t("app.errors.title")}</b></p>
    <p>${advice(error.code ?? "")} ${charged ? t("playground.charged.some", { amount: charged }) : t("playground.charged.released", { amount: task.billing?.refunded_credits ?? 0 })}</p>
  </div>`;
}
