// The price before the click: quoted on every change, the last answer wins.
import { effect, signal } from "@preact/signals";
import { html } from "html";
import { post } from "../api.js";
import { formatNumber, t } from "../i18n.js";
import { formatCredits, formatUsd, roundDecimal, subtractDecimals } from "../money.js";
import { account, balance } from "../store.js";
import { model, request } from "./form.js";

/** @typedef {import("../money.js").Money} Money */

const TYPING_MS = 150;
/** The last good quote with the `body` that it is for; it stays in sight while the next one is loaded. */
export const quote = signal(/** @type {any} */ (null));
export const quoteError = signal(/** @type {import("../api.js").ApiError | null} */ (null));
export const quoting = signal(false);

/** Load a quote whenever the request changes. @returns {() => void} the end of it */
export function watchPrice() {
  /** @type {AbortController | undefined} */
  let pending;
  return effect(() => {
    const body = request.value;
    pending?.abort();
    if (!account.value) return undefined;
    quoting.value = true;
    const timer = setTimeout(() => {
      pending = new AbortController();
      loadQuote(body, pending.signal);
    }, TYPING_MS);
    return () => clearTimeout(timer);
  });
}

/** An empty prompt is priced as one character. @param {any} body @param {AbortSignal} abort */
async function loadQuote(body, abort) {
  const prompt = body.prompt.trim() ? body.prompt : "-";
  try {
    const reply = await post("/v1/images/quotes", { ...body, prompt }, { signal: abort });
    if (abort.aborted) return;
    quoteError.value = reply.ok ? null : reply;
    if (reply.ok) quote.value = { ...reply.value, body };
    quoting.value = false;
  } catch {
    // a newer request took its place
  }
}

/** The items that a model bills, whether or not this request has them: rows never come and go. */
const billedItems = () =>
  model.value.billing_rule === "per_token" ? ["text_input", "image_input", "image_output"] : ["image"];

/** What is to be paid: always in sight, beside the button. */
export function Price() {
  const { expected, maximum } = quote.value ?? {};
  return html`
    <section class="price" aria-label=${t("playground.price.title")} aria-busy=${quoting.value} data-price>
      <dl class="price-main">
        <${Figure} name="expected" money=${expected} strong />
        <${Figure} name="maximum" money=${maximum} />
      </dl>
    </section>
  `;
}

/** What the price is made of, and what is left. */
export function PriceDetails() {
  const { lines = [], n = 1 } = quote.value ?? {};
  const line = (/** @type {string} */ item) => lines.find((/** @type {any} */ found) => found.item === item);
  return html`
    <section class="price price-more" aria-label=${t("playground.price.lines")}>
      <table class="price-lines">
        <caption class="unseen">${t("playground.price.lines")}</caption>
        <tbody>
          ${billedItems().map((item) => html`<${Line} key=${item} item=${item} line=${line(item)} n=${n} />`)}
        </tbody>
      </table>
      <${BalanceAfter} />
    </section>
  `;
}

/** @param {{name: string, money?: Money, strong?: boolean}} props */
function Figure({ name, money, strong }) {
  const credits = money ? t("app.credits", { amount: formatCredits(money) }) : " ";
  return html`
    <div class=${strong ? "strong" : ""}>
      <dt>${t(`playground.price.${name}`)}</dt>
      <dd data-quote=${name} data-credits=${money?.credits ?? ""} title=${money ? `${money.usd} USD` : ""}>
        <b>${money ? formatUsd(money) : "–"}</b> <span>${credits}</span>
      </dd>
    </div>
  `;
}

/** @param {{item: string, line: any, n: number}} props */
function Line({ item, line, n }) {
  const count = formatNumber(line?.quantity.expected ?? 0);
  const times = item === "image_output" && n > 1 ? ` ×${n}` : "";
  return html`
    <tr>
      <th scope="row">${t(`playground.price.items.${item}`)}${times}</th>
      <td class="num soft">${t(`playground.price.${item === "image" ? "images" : "tokens"}`, { count })}</td>
      <td class="num">${line ? formatUsd(line.expected) : "$0"}</td>
    </tr>
  `;
}

function BalanceAfter() {
  const { remaining, held } = balance.value ?? {};
  const after = remaining && quote.value ? subtractDecimals(remaining, quote.value.expected.credits) : "";
  const amount = (/** @type {string | undefined} */ text) => (text ? roundDecimal(text, 2) : "–");
  return html`
    <dl class="balance-after">
      <div><dt>${t("playground.price.balance")}</dt><dd>${amount(remaining)}</dd></div>
      <div><dt>${t("playground.price.held")}</dt><dd>${amount(held)}</dd></div>
      <div class=${after.startsWith("-") ? "short" : ""}>
        <dt>${t("playground.price.after")}</dt>
        <dd data-after>${amount(after)}</dd>
      </div>
    </dl>
  `;
}
