// What went wrong, in words that say what to do and whether anything was charged.
import { html } from "html";
import { errorText } from "../errors.js";
import { t } from "../i18n.js";
import { roundDecimal } from "../money.js";

const CODES_WITH_ADVICE = [
  "insufficient_quota",
  "insufficient_token_quota",
  "token_daily_quota_exceeded",
  "model_access_denied",
  "rate_limit_exceeded",
  "permission_denied",
  "signed_out",
  "unauthorized",
  "network",
  "content_policy_violation",
  "invalid_parameters",
  "image_processing_error",
  "image_dimension_mismatch",
  "generation_timeout",
  "service_unavailable",
  "generation_failed_no_content",
  "service_error",
  "request_cancelled",
  "resource_exhausted",
  "file_too_large",
  "file_type_not_allowed",
  "file_quota_exceeded",
  "task_not_cancellable",
];

/** What to do about a code; empty where the message says it all. @param {string} code @param {number} [seconds] */
export function advice(code, seconds = 10) {
  return CODES_WITH_ADVICE.includes(code) ? t(`playground.advice.${code}`, { seconds }) : "";
}

/** The message, and what to do. @param {import("../api.js").ApiError} error */
export const errorWithAdvice = (error) => `${errorText(error)} ${advice(error.code, error.retryAfter)}`;

/** @param {{title: string, text: string}} props */
const ErrorBox = ({ title, text }) => html`
  <div class="error-box" role="alert">
    <p><b>${title}</b></p>
    <p>${text}</p>
  </div>
`;

/** A refused request: there is no task, and nothing is held. @param {{error: import("../api.js").ApiError}} props */
export function RequestError({ error }) {
  const reached = error.status !== 0;
  const text = reached
    ? `${advice(error.code, error.retryAfter)} ${t("playground.charged.nothing")}`
    : t("playground.charged.unknown");
  return html`<${ErrorBox} title=${errorText(error)} text=${text} />`;
}

/** A task that failed. @param {{task: any}} props */
export function TaskError({ task: { error, billing } }) {
  const charged = Number(billing?.charged_credits ?? 0);
  const amount = roundDecimal(String(charged || (billing?.refunded_credits ?? 0)), 4);
  const money = t(charged ? "playground.charged.some" : "playground.charged.released", { amount });
  const text = `${advice(error?.code ?? "")} ${money}`;
  return html`<${ErrorBox} title=${error?.message ?? t("app.errors.title")} text=${text} />`;
}

/** What went wrong in a line: of a refused request, of a task, of a row. @param {any} error */
export const errorTitle = (error) => (error.code === "network" ? errorText(error) : error.message);
