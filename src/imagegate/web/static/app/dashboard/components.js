// What every view is built of: heading, badges, amounts, loading and error states.
import { html } from "html";
import { adviceFor, errorText } from "../errors.js";
import { formatNumber, formatTime, t, textOr } from "../i18n.js";
import { formatCredits, formatUsd, isNegative, roundDecimal } from "../money.js";
import { signInOpen } from "../store.js";
import { linkTo } from "./router.js";

/**
 * @typedef {import("../api.js").ApiError} ApiError
 * @typedef {import("../money.js").Money} Money
 */

/** @param {string} name @param {Record<string, string | number>} [values] */
export const d = (name, values) => t(`dashboard.${name}`, values);

/** A value of the API in the visitor's language, or as it came. @param {string} family @param {string} value */
export const valueText = (family, value) => textOr(`dashboard.${family}.${value}`, value);

/** Why a route is not healthy, in the visitor's language. @param {string} reason of the API, in words */
export function reasonText(reason) {
  const name = reason.replace(/\W+/g, "_");
  const text = valueText("routes.reasons", name);
  return text === name ? reason : text;
}

/** @param {{title: string, about?: any, actions?: any, children?: any}} props */
export function View({ title, about, actions, children }) {
  return html`
    <section class="view" aria-labelledby="view-title">
      <header class="view-head">
        <div>
          <h2 class="small-title" id="view-title" tabindex="-1">${title}</h2>
          ${about && html`<p class="soft">${about}</p>`}
        </div>
        ${actions && html`<div class="row">${actions}</div>`}
      </header>
      ${children}
    </section>
  `;
}

/** Badge colours of states; those not named here have none. @type {Record<string, string[]>} */
const STATES_BY_COLOR = {
  good: ["completed", "live", "open", "delivered", "healthy", "produced"],
  accent: ["pending", "processing", "waiting", "sending"],
  warn: ["expired", "trial", "cooling", "unknown", "refused", "rejected"],
  bad: ["failed", "exhausted", "broken"],
};

/** @param {{state: string}} props */
export function StateBadge({ state }) {
  const color = Object.keys(STATES_BY_COLOR).find((name) => STATES_BY_COLOR[name].includes(state)) ?? "";
  return html`
    <span class=${`badge ${color}`} data-state=${state}>
      <span class="dot" aria-hidden="true"></span>${valueText("states", state)}
    </span>
  `;
}

/** @param {{seconds: number | null | undefined, date?: boolean}} props Unix seconds; `date`: without the time of day */
export function Time({ seconds, date = false }) {
  if (!seconds) return "–";
  const text = formatTime(seconds, date ? { dateStyle: "medium" } : undefined);
  return html`<time dateTime=${new Date(seconds * 1000).toISOString()}>${text}</time>`;
}

/** Seconds per unit, from the longest. @type {[string, number][]} */
const UNITS = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];

/** "3 min": in the longest unit of which there is a whole one. @param {number} seconds */
export function formatDuration(seconds) {
  const [unit, length] = UNITS.find(([, length]) => seconds >= length) ?? ["second", 1];
  return formatNumber(Math.floor(seconds / length), { style: "unit", unit, unitDisplay: "short" });
}

/** @param {{money: Money | null, sign?: boolean}} props */
export function Amount({ money, sign = false }) {
  if (!money) return "–";
  const plus = sign && !isNegative(money) ? "+" : "";
  return html`
    <span class="amount">
      <span>${plus}${formatCredits(money)}</span>${" "}
      <small class="soft">${formatUsd(money)}</small>
    </span>
  `;
}

/** Credits that came as a JSON number. @param {number | undefined} value */
export const formatCreditNumber = (value) => (value === undefined ? "–" : roundDecimal(String(value), 3));

/** @param {{id: string, view?: string}} props */
export const TaskLink = ({ id, view = "tasks" }) => html`<a href=${linkTo(view, id)}><code>${id}</code></a>`;

/** @param {ApiError} error */
const isSignedOut = (error) => error.code === "signed_out" || error.status === 401;

/** @param {{error: ApiError, reload?: () => void}} props */
export function ErrorNote({ error, reload }) {
  return html`
    <div class="note sun stack" role="alert" data-error=${error.code}>
      <p><strong>${errorText(error)}</strong> ${adviceFor(error)}</p>
      ${error.requestId && html`<p class="small soft">${d("error.request")} <code>${error.requestId}</code></p>`}
      <div class="row">
        ${isSignedOut(error) && html`<${SignInButton} className="tight" />`}
        ${reload && html`<button class="button tight" onClick=${reload}>${t("app.retry")}</button>`}
      </div>
    </div>
  `;
}

/** @param {{className?: string}} props */
export function SignInButton({ className = "" }) {
  const open = () => {
    signInOpen.value = true;
  };
  return html`<button class=${`button main ${className}`} onClick=${open}>${t("app.account.sign_in")}</button>`;
}

export const Loading = () => html`
  <div class="waiting" role="status">
    <span class="unseen">${d("loading")}</span>
    <span class="skeleton"></span><span class="skeleton"></span><span class="skeleton"></span>
  </div>
`;

/** @param {{title: string, text?: string, children?: any}} props */
export const Empty = ({ title, text, children }) => html`
  <div class="empty" data-empty>
    <svg viewBox="0 0 48 48" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true">
      <path d="M8 41V23a16 16 0 0 1 32 0v18zM8 37l10-9 8 6 5-4 9 7" /><circle cx="24" cy="19" r="3.5" />
    </svg>
    <strong>${title}</strong>
    ${text && html`<p>${text}</p>`}
    ${children}
  </div>
`;

export const PlaygroundLink = () => html`<a class="button main" href="/#playground">${d("playground")}</a>`;

/**
 * `view` with the `value` of the data, or what stands in for it. Other props are passed on.
 * @param {{data: import("./data.js").Data, view: any, [prop: string]: any}} props
 */
export function Loader({ data, view, ...props }) {
  const { value, error, reload } = data;
  return html`
    ${error && html`<${ErrorNote} error=${error} reload=${reload} />`}
    ${value === undefined ? !error && html`<${Loading} />` : html`<${view} value=${value} ...${props} />`}
  `;
}

/**
 * The children once every part was answered, so that none pushes another away.
 * @param {{all: import("./data.js").Data[], children: any}} props
 */
export const Together = ({ all, children }) =>
  all.some(({ value, error }) => value === undefined && !error) ? html`<${Loading} />` : children;

/** @param {{pages: import("./data.js").Pages}} props */
export const ReloadButton = ({ pages }) =>
  html`<button class="button" disabled=${pages.busy} onClick=${pages.reload}>${d("reload")}</button>`;

/** A button of a row, whose name only screen readers need. @param {any} props */
export const RowButton = ({ text, name, className = "", onClick }) => html`
  <button class=${`button tight ${className}`} onClick=${onClick}>
    ${text}<span class="unseen"> ${name}</span>
  </button>
`;

/** @param {{pairs: [string, any][]}} props pairs without a value are left out */
export function Facts({ pairs }) {
  const present = pairs.filter(([, value]) => !["", undefined, null, false].includes(value));
  return html`
    <dl class="facts">${present.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
  `;
}
