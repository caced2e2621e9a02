// What went wrong, in the page's language: by code, else in the server's own words.
import { html } from "html";
import { isUnanswered } from "./api.js";
import { checkConnection } from "./connection.js";
import { language, t, textOr } from "./i18n.js";
import { roundDecimal } from "./money.js";
import { showToast } from "./toast.js";

/**
 * An error of a call, or of a task that failed.
 * @typedef {{code?: string, message?: string, reason?: string, param?: string, status?: number, retryAfter?: number,
 *   estimated?: string, remaining?: string}} Fault
 */

/** Codes that cover many causes: the server's message names the one that it was. */
const GENERAL = ["invalid_request", "invalid_parameters", "image_processing_error", "image_dimension_mismatch"];

const DEFAULT_WAIT_S = 10;

/** The text under a name of `app.errors`; empty where there is none. @param {string} name @param {any} [values] */
const lookUp = (name, values) => textOr(`app.errors.${name}`, "", values);

/** One line that says what is wrong. @param {Fault} error */
export function errorText(error) {
  const { code = "", message = "" } = error;
  const text = (error.reason && lookUp(`reasons.${error.reason}`)) || specificText(error) || lookUp(`codes.${code}`);
  if (!text) return language === "en" && message ? message : withDetail(t("app.errors.title"), message);
  if (!GENERAL.includes(code) || !message) return text;
  return language === "en" ? message : withDetail(text, message);
}

/** @param {string} text @param {string} detail */
const withDetail = (text, detail) => (detail ? `${text} (${detail.replace(/\.$/, "")})` : text);

/** A text with the amounts or names that the error carries; empty where it carries none. @param {Fault} error */
function specificText({ code, message = "", param, estimated, remaining }) {
  switch (code) {
    case "invalid_request":
    case "invalid_parameters":
      return param ? t("app.errors.invalid_param", { name: paramName(param) }) : "";
    case "insufficient_quota":
      return estimated && remaining
        ? t("app.errors.short_of_credits", { needed: roundUp(estimated), left: roundDecimal(remaining, 2) })
        : "";
    case "content_policy_violation":
      return policyText(message);
    case "file_too_large":
      return sizeText(message);
    default:
      return "";
  }
}

/** Half a credit too few must not read as enough. @param {string} credits */
const roundUp = (credits) => String(Math.ceil(Number(credits) * 100) / 100);

/** `image_urls[1]` as "Reference 2". @param {string} path of a field */
function paramName(path) {
  const [, field, index] = path.match(/^(\w+)(?:\[(\d+)\])?/) ?? [];
  const name = lookUp(`params.${field}`) || path;
  return index === undefined ? name : `${name} ${Number(index) + 1}`;
}

/** The message ends in the categories, where the upstream has named them. @param {string} message */
function policyText(message) {
  const [, list] = message.match(/content policy: ([\w\-/, ]+)\.$/) ?? [];
  const names = list?.split(", ").map((name) => lookUp(`policy.${name.replace(/\W/g, "_")}`) || name);
  return names ? t("app.errors.policy_by", { categories: names.join(", ") }) : "";
}

/** @param {string} message of a file that is too large, which names the limit in bytes */
function sizeText(message) {
  const [, bytes] = message.match(/at most ([\d,]+) bytes/) ?? [];
  return bytes ? t("app.errors.file_over", { mb: Math.floor(Number(bytes.replaceAll(",", "")) / 1_048_576) }) : "";
}

/** What to do about it; empty where the text says it all. @param {Fault} error */
export function adviceFor({ code = "", reason = "", retryAfter = DEFAULT_WAIT_S }) {
  return lookUp(`advice_by_reason.${reason}`) || lookUp(`advice.${code}`, { seconds: retryAfter });
}

/** What is wrong, and what to do. @param {Fault} error */
export const errorWithAdvice = (error) => [errorText(error), adviceFor(error)].filter(Boolean).join(" ");

/**
 * Whether anything was charged: by a request that was refused, or by a task that failed.
 * @param {import("./api.js").ApiError | {billing?: {charged_credits?: any, refunded_credits?: any}}} subject
 */
export function chargeText(subject) {
  if ("ok" in subject) return t(`app.errors.charged.${isUnanswered(subject) ? "unknown" : "nothing"}`);
  const charged = Number(subject.billing?.charged_credits ?? 0);
  const amount = charged || Number(subject.billing?.refunded_credits ?? 0);
  const kind = charged ? "some" : amount ? "released" : "nothing";
  return t(`app.errors.charged.${kind}`, { amount: roundDecimal(String(amount), 4) });
}

/** A lost connection is told where it is noticed. @param {Fault} error */
export async function showError(error) {
  if (error.code !== "network" || (await checkConnection())) showToast(errorWithAdvice(error), "bad");
}

/**
 * An error with what to do and what it cost. `children` are further lines or buttons.
 * @param {{error: Fault, charge?: string, children?: any}} props
 */
export const ErrorBox = ({ error, charge = "", children }) => html`
  <div class="error-box" role="alert">
    <p><b>${errorText(error)}</b></p>
    <p>${[adviceFor(error), charge].filter(Boolean).join(" ")}</p>
    ${children}
  </div>
`;
