// The price before the click: asked for on every change, the last answer wins.
import { effect, signal } from "@preact/signals";
import { html } from "html";
import { call } from "../api.js";
import { number, t } from "../i18n.js";
import { credits, rounded, usd } from "../money.js";
import { account, balance } from "../store.js";
import { model, request } from "./form.js";

/** @typedef {import("../money.js").Money} Money */

const WAIT_MS = 150;
/** The last good quote; it stays in sight while the next one is asked for. */
export const quote = signal(/** @type {any} */ (null));
export const quoteFault = signal(/** @type {import("../api.js").Bad | null} */ (null));
export const quoting = signal(false);

/** Ask whenever the request changes. @returns {() => void} end it */
export function watchPrice() {
  /** @type {AbortController | undefined} */
  let asked;
  return effect(() => {
    const body = request.value;
    asked?.abort();
    if (!account.value) return undefined;
    quoting.value = true;
    const timer = setTimeout(() => {
      asked = new AbortController();
      ask(body, asked.signal);
    }, WAIT_MS);
    return () => clearTimeout(timer);
  });
}

/** An empty prompt is priced as one character. @param {any} body @param {AbortSignal} signal */
async function ask(body, signal) {
  try {
    const found = await call("/v1/images/quotes", { body: { ...body, prompt: body.prompt.trim() ? body.prompt : "-" }, signal });
    if (signal.aborted) return;
    quoteFault.value = found.ok ? null : found;
    if (found.ok) quote.value = { ...found.value, of: body };
    quoting.value = false;
  } catch {
    // a newer question took its place
  }
}

/** The items that a model bills, whether or not this request has them: rows never come and go. */
const rows = () => (model.value.billing_rule === "per_token" ? ["text_input", "image_input", "image_output"] : ["image"]);

/** What is to be paid: always in sight, beside the button. */
export function Price() {
  const found = quote.value;
  return html`<section class="price" aria-label=${t("playground.price.title")} aria-busy=${quoting.value} data-price>
    <dl class="price-main">
      <${Figure} name="expected" money=${found?.expected} strong />
      <${Figure} name="maximum" money=${found?.maximum} />
    </dl>
  </section>`;
}

/** What the price is made of, and what is left. */
export function PriceLines() {
  const found = quote.value;
  return html`<section class="price price-more" aria-label=${t("playground.price.lines")}>
    <table class="price-lines">
      <caption class="unseen">${t("playground.price.lines")}</caption>
      <tbody>${rows().map((item) => html`<${Line} key=${item} item=${item} line=${found?.lines.find((/** @type {any} */ one) => one.item === item)} n=${found?.n ?? 1} />`)}</tbody>
    </table>
    <${Purse} />
  </section>`;
}

/** @param {{name: string, money?: Money, strong?: boolean}} props */
function Figure({ name, money, strong }) {
  return html`<div class=${strong ? "strong" : ""}>
    <dt>${t(`playground.price.${name}`)}</dt>
    <dd data-quote=${name} data-credits=${money?.credits ?? ""} title=${money ? `${money.usd} USD` : ""}>
      <b>${money ? usd(money) : "–"}</b> <span>${money ? t("app.credits", { amount: credits(money) }) : " "}</span>
    </dd>
  </div>`;
}

/** @param {{item: string, line: any, n: number}} props */
function Line({ item, line, n }) {
  const quantity = line?.quantity.expected ?? 0;
  const times = item === "image_output" && n > 1 ? ` ×${n}` : "";
  return html`<tr>
    <th scope="row">${t(`playground.price.items.${item}`)}${times}</th>
    <td class="num soft">${t(`playground.price.${item === "image" ? "images" : "tokens"}`, { count: number(quantity) })}</td>
    <td class="num">${line ? usd(line.expected) : "$0"}</td>
  </tr>`;
}

function Purse() {
  const have = balance.value;
  const after = have && quote.value ? minus(have.remaining, quote.value.expected.credits) : "";
  const show = (/** @type {string | undefined} */ text) => (text ? rounded(text, 2) : "–");
  return html`<dl class="purse">
    <div><dt>${t("playground.price.balance")}</dt><dd>${show(have?.remaining)}</dd></div>
    <div><dt>${t("playground.price.held")}</dt><dd>${show(have?.held)}</dd></div>
    <div class=${after.startsWith("-") ? "short" : ""}><dt>${t("playground.price.after")}</dt><dd data-after>${show(after)}</dd></div>
  </dl>`;
}

/** Decimal text, exact to nine digits. @param {string} from @param {string} amount */
function minus(from, amount) {
  const left = nine(from) - nine(amount);
  const digits = (left < 0n ? -left : left).toString().padStart(10, "0");
  return `${left < 0n ? "-" : ""}${digits.slice(0, -9)}.${digits.slice(-9)}`;
}

/** @param {string} text */
function nine(text) {
  const [whole, fraction = ""] = text.replace("-", "").split(".");
  const value = BigInt(whole + fraction.slice(0, 9).padEnd(9, "0"));
  return text.startsWith("-") ? -value : value;
}
