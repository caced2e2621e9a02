// What was earned and spent, in US dollars: operators pay upstreams in them.
import { html } from "html";
import { formatNumber } from "../i18n.js";
import { formatCredits, formatUsd, isNegative } from "../money.js";
import { d } from "./components.js";

/** @typedef {import("../money.js").Money} Money */

/** @param {{money: Money}} props */
export const Usd = ({ money }) => html`
  <span class="amount">
    <span>${formatUsd(money)}</span>${" "}
    <small class="soft">${d("credits", { n: formatCredits(money) })}</small>
  </span>
`;

/** Revenue less cost; below zero it is the operator's loss. @param {{money: Money}} props */
export const Margin = ({ money }) => html`
  <span class=${isNegative(money) ? "loss" : ""}><${Usd} money=${money} /></span>
  ${isNegative(money) && html` <span class="badge bad">${d("costs.loss")}</span>`}
`;

/** USD that came as a whole number of nanos. @param {number} nanos */
export const formatNanos = (nanos) => `$${formatNumber(nanos / 1e9, { maximumFractionDigits: 4 })}`;

/** For a chart alone. @param {Money} money */
export const usdNumber = (money) => Number(money.usd);

/** The margin as a share of what was charged less refunds; empty where nothing was. @param {Money[]} amounts */
export function marginShare(...amounts) {
  const [margin, revenue, refunds] = amounts.map(({ nanos }) => Number(nanos));
  const earned = revenue - refunds;
  return earned > 0 ? formatNumber(margin / earned, { style: "percent", maximumFractionDigits: 1 }) : "";
}

/** @returns {import("./table.js").Column[]} */
export function marginColumns() {
  const amount = (/** @type {string} */ name, /** @type {string} */ title) => ({
    title,
    num: true,
    cell: (/** @type {any} */ row) => html`<${Usd} money=${row[name]} />`,
  });
  return [
    amount("revenue", d("columns.revenue")),
    amount("refunds", d("gateway.refunded")),
    amount("cost", d("columns.cost")),
    amount("waste", d("costs.waste")),
    { title: d("costs.margin"), num: true, cell: (row) => html`<${Margin} money=${row.margin} />` },
  ];
}
