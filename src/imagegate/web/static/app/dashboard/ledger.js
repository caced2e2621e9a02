// Every change of the available balance.
import { html } from "html";
import { SelectField } from "../fields.js";
import { isNegative } from "../money.js";
import { Amount, d, Empty, Facts, formatCreditNumber, Loader, Time, Together, View } from "./components.js";
import { useData, usePages } from "./data.js";
import { linkTo, queryValue, setQuery } from "./router.js";
import { PagedTable } from "./table.js";

const TYPES = ["grant", "hold", "release", "charge", "refund", "adjustment"];

/** @param {string} type */
const typeName = (type) => d(`ledger.types.${type}.name`);

/** @returns {import("./table.js").Column[]} */
const columns = () => [
  { title: d("columns.created"), cell: (row) => html`<${Time} seconds=${row.created} />` },
  { title: d("columns.type"), head: true, cell: (row) => typeName(row.type) },
  { title: d("columns.task"), cell: (row) => taskOf(row) },
  { title: d("columns.amount"), num: true, cell: (row) => html`<${Change} money=${row.amount} />` },
  { title: d("columns.after"), num: true, cell: (row) => html`<${Amount} money=${row.available_after} />` },
];

/**
 * A charge without a task stands for all of a month that the operator has archived.
 * @param {any} row
 */
const taskOf = ({ task_id: id, type }) =>
  id ? html`<${ShortTaskLink} id=${id} />` : type === "charge" ? d("ledger.whole_month") : "–";

/** @param {{id: string}} props */
const ShortTaskLink = ({ id }) =>
  html`<a href=${linkTo("tasks", id)}><code>${id.slice(-8)}</code><span class="unseen"> ${id}</span></a>`;

/** @param {{money: import("../money.js").Money}} props */
const Change = ({ money }) =>
  html`<span class=${isNegative(money) ? "minus" : "plus"}><${Amount} money=${money} sign /></span>`;

export function Credits() {
  const type = queryValue("type");
  const task = queryValue("task_id");
  const credits = useData("/v1/credits");
  const pages = usePages(`/v1/ledger?limit=50&type=${encodeURIComponent(type)}&task_id=${encodeURIComponent(task)}`);
  const showAllTasks = () => setQuery({ task_id: "" });
  const empty = html`<${Empty} title=${d("ledger.none")} />`;
  return html`
    <${View} title=${d("views.credits")} about=${d("ledger.about")}>
      <${Together} all=${[credits]}><${Loader} data=${credits} view=${Totals} />
      <div class="filters">
        <${TypeField} value=${type} />
        ${task && html`<button class="button" onClick=${showAllTasks}>${d("ledger.every_task")}</button>`}
      </div>
      <${PagedTable} pages=${pages} caption=${d("ledger.caption")} columns=${columns()} empty=${empty} />
      <${TypesExplained} /><//>
    <//>
  `;
}

/** @param {{value: string}} props */
function TypeField({ value }) {
  const options = [["", d("all")], ...TYPES.map((type) => [type, typeName(type)])];
  const pick = (/** @type {string} */ type) => setQuery({ type });
  return html`
    <${SelectField} id="ledger-type" label=${d("columns.type")} value=${value} options=${options} onPick=${pick} />
  `;
}

const TypesExplained = () => html`
  <details>
    <summary class="small">${d("ledger.explain")}</summary>
    <div class="card"><${Facts} pairs=${TYPES.map((type) => [typeName(type), d(`ledger.types.${type}.about`)])} /></div>
  </details>
`;

/** @param {{value: any}} props */
function Totals({ value }) {
  const { user, token } = value.data;
  const today = `${formatCreditNumber(token.daily_used_credits)} / ${formatCreditNumber(token.daily_limit_credits)}`;
  const left = token.unlimited_credits ? d("ledger.unlimited") : formatCreditNumber(token.remaining_credits);
  /** @type {[string, any][]} */
  const pairs = [
    [d("ledger.remaining"), html`<${Amount} money=${user.exact.remaining} />`],
    [d("overview.held"), formatCreditNumber(user.reserved_credits)],
    [d("ledger.used"), formatCreditNumber(user.used_credits)],
    [d("ledger.key_remaining"), left],
    [d("ledger.key_today"), token.daily_limit_credits === undefined ? undefined : today],
  ];
  return html`<div class="card"><${Facts} pairs=${pairs} /></div>`;
}
