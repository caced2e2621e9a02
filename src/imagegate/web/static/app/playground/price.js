// The price before the click: quoted on every change, the last answer wins.
import { effect, signal } from "@preact/signals";
import { html } from "html";
import { reachable } from "../connection.js";
import { formatNumber, t } from "../i18n.js";
import { formatCredits, formatUsd, roundDecimal, subtractDecimals } from "../money.js";
import { account, balance } from "../store.js";
import { faults, references, request } from "./form.js";
import { isModelSettled, model } from "./model.js";
import { isPassing, loadQuote } from "./quotes.js";

/** @typedef {import("../money.js").Money} Money */

const TYPING_MS = 150;
const RETRY_S = 3;
/** The quote of what the form says, with the `body` that it is for; while another one is loaded, the last. */
export const quote = signal(/** @type {any} */ (null));
export const quoteError = signal(/** @type {import("../api.js").ApiError | null} */ (null));
export const quoting = signal(true);
/** Counts the times that a lost answer was asked for again. */
const retries = signal(0);

/** Load a quote whenever the request or the balance changes. @returns {() => void} the end of it */
export function watchPrice() {
  let lastPrompt = "";
  return effect(() => {
    const body = request.value;
    const typing = body.prompt !== lastPrompt;
    lastPrompt = body.prompt;
    balance.value;
    retries.value;
    reachable.value;
    if (account.value === undefined || !isModelSettled.value) return undefined;
    if (faults.value.length) return showNoPrice();
    return askForPrice(body, typing ? TYPING_MS : 0);
  });
}

/** What cannot be run has no price; what is being uploaded will have one. */
function showNoPrice() {
  quoting.value = references.value.some((one) => one.state === "loading");
  quoteError.value = null;
  if (!quoting.value) quote.value = null;
}

/** @param {any} body @param {number} delayMs @returns {() => void} the end of it */
function askForPrice(body, delayMs) {
  const abort = new AbortController();
  quoting.value = true;
  const ask = () => loadQuote(body, abort.signal).then((reply) => showQuote(body, reply), noAnswer);
  let timer = setTimeout(ask, delayMs);
  const showQuote = (/** @type {any} */ asked, /** @type {import("../api.js").Reply} */ reply) => {
    if (abort.signal.aborted) return;
    quoting.value = false;
    quoteError.value = reply.ok ? null : reply;
    quote.value = reply.ok ? { ...reply.value, body: asked } : null;
    if (reply.ok) return;
    if (isPassing(reply) && reply.status !== 401)
      timer = setTimeout(() => (retries.value += 1), (reply.retryAfter ?? RETRY_S) * 1000);
  };
  return () => {
    clearTimeout(timer);
    abort.abort();
  };
}

// A newer request took its place.
const noAnswer = () => {};

/** The items that a model bills, whether or not this request has them: rows never come and go. */
const billedItems = () =>
  model.value.billing_rule === "per_token" ? ["text_input", "image_input", "image_output"] : ["image"];

/** What is to be paid: always in sight, beside the button. */
export function Price() {
  const { expected, maximum } = quote.value ?? {};
  return html`
    <section class="price" aria-label=${t("playground.price.label")} aria-busy=${quoting.value} data-price>
      <dl>
        <${Figure} name="expected" money=${expected} attrs=${{ "data-quote": "expected" }} />
        <${Figure} name="maximum" money=${maximum} attrs=${{ "data-quote": "maximum" }} />
      </dl>
    </section>
  `;
}

/** What the price is made of. */
export function PriceLines() {
  const { lines = [], n = 1 } = quote.value ?? {};
  const line = (/** @type {string} */ item) => lines.find((/** @type {any} */ found) => found.item === item);
  return html`
    <table class="price-lines" aria-busy=${quoting.value}>
      <caption class="label">${t("playground.price.lines")}</caption>
      <tbody>
        ${billedItems().map((item) => html`<${Line} key=${item} item=${item} line=${line(item)} n=${n} />`)}
      </tbody>
    </table>
  `;
}

/**
 * "Expected" or "at most", in money and credits.
 * @param {{name: "expected" | "maximum", money?: Money | null, attrs: Record<string, any>}} props
 */
export function Figure({ name, money, attrs }) {
  const credits = money ? t("app.credits", { amount: formatCredits(money) }) : " ";
  return html`
    <div class=${name === "expected" ? "strong" : ""}>
      <dt>${t(`playground.price.${name}`)}</dt>
      <dd ...${attrs} data-credits=${money?.credits ?? ""} title=${money ? `${money.usd} USD` : ""}>
        <b>${money ? formatUsd(money) : "–"}</b> <span>${credits}</span>
      </dd>
    </div>
  `;
}

/** @param {{item: string, line: any, n: number}} props */
function Line({ item, line, n }) {
  const count = line?.quantity.expected ?? 0;
  const times = item === "image_output" && n > 1 ? ` ×${n}` : "";
  const unit = item === "image" ? "images" : "tokens";
  return html`
    <tr>
      <th scope="row">${t(`playground.price.items.${item}`)}${times}</th>
      <td class="num soft">${line ? countText(unit, count) : ""}</td>
      <td class="num">${line ? formatUsd(line.expected) : "–"}</td>
    </tr>
  `;
}

/** @param {string} unit @param {number} count */
const countText = (unit, count) =>
  t(`playground.price.${unit}${count === 1 ? "_one" : ""}`, { count: formatNumber(count) });

/** What is left, and what will be. */
export function BalanceAfter() {
  if (account.value === null) return null;
  const { remaining, held } = balance.value ?? {};
  const after = remaining && quote.value ? subtractDecimals(remaining, quote.value.expected.credits) : "";
  const least = remaining && quote.value ? subtractDecimals(remaining, quote.value.maximum.credits) : "";
  const amount = (/** @type {string | undefined} */ text) => (text ? roundDecimal(text, 2) : "–");
  return html`
    <dl class="balance-after">
      <div><dt>${t("playground.price.balance")}</dt><dd>${amount(remaining)}</dd></div>
      <div><dt>${t("playground.price.held")}</dt><dd>${amount(held)}</dd></div>
      <div
        class=${after.startsWith("-") ? "short" : ""}
        title=${least ? t("playground.price.after_at_least", { amount: amount(least) }) : ""}
      >
        <dt>${t("playground.price.after")}</dt>
        <dd data-after>${amount(after)}</dd>
      </div>
    </dl>
  `;
}
