// Every change of the available balance.
import { html } from "html";
import { useLoad, usePages } from "./load.js";
import { Amount, d, Empty, Facts, List, Loaded, plain, View, When } from "./parts.js";
import { filter, link, place } from "./place.js";

const TYPES = ["grant", "hold", "release", "charge", "refund", "adjustment"];

/** @type {() => import("./parts.js").Column[]} */
const columns = () => [
  { name: "created", title: d("columns.created"), cell: (row) => html`<${When} seconds=${row.created} />` },
  { name: "type", title: d("columns.type"), head: true, cell: (row) => d(`ledger.types.${row.type}.name`) },
  { name: "task", title: d("columns.task"), cell: (row) => (row.task_id ? html`<a href=${link("tasks", row.task_id)}><code>${row.task_id.slice(-8)}</code><span class="unseen"> ${row.task_id}</span></a>` : "–") },
  { name: "amount", title: d("columns.amount"), num: true, cell: (row) => html`<span class=${row.amount.nanos.startsWith("-") ? "minus" : "plus"}><${Amount} money=${row.amount} sign /></span>` },
  { name: "after", title: d("columns.after"), num: true, cell: (row) => html`<${Amount} money=${row.available_after} />` },
];

export function Credits() {
  const type = place.value.query.get("type") ?? "";
  const task = place.value.query.get("task_id") ?? "";
  const money = useLoad("/v1/credits");
  const pages = usePages(`/v1/ledger?limit=50&type=${encodeURIComponent(type)}&task_id=${encodeURIComponent(task)}`);
  return html`<${View} title=${d("views.credits")} about=${d("ledger.about")}>
    <${Loaded} load=${money}>${(/** @type {any} */ found) => html`<div class="card"><${Figures} data=${found.data} /></div>`}</${Loaded}>
    <div class="filters">
      <div class="field"><label for="ledger-type">${d("columns.type")}</label>
        <select class="input" id="ledger-type" value=${type} onChange=${(/** @type {any} */ event) => filter({ type: event.target.value })}>
          <option value="">${d("all")}</option>${TYPES.map((one) => html`<option value=${one} selected=${one === type}>${d(`ledger.types.${one}.name`)}</option>`)}
        </select></div>
      ${task && html`<button class="button" onClick=${() => filter({ task_id: "" })}>${d("ledger.every_task")}</button>`}
    </div>
    <${List} pages=${pages} caption=${d("ledger.caption")} columns=${columns()} empty=${html`<${Empty} title=${d("ledger.none")} />`} />
    <details><summary class="small">${d("ledger.explain")}</summary><div class="card"><${Facts} pairs=${TYPES.map((one) => [d(`ledger.types.${one}.name`), d(`ledger.types.${one}.about`)])} /></div></details>
  </${View}>`;
}

/** @param {{data: any}} props */
const Figures = ({ data: { user, token } }) => html`<${Facts} pairs=${[
  [d("ledger.remaining"), html`<${Amount} money=${user.exact.remaining} />`],
  [d("overview.held"), plain(user.reserved_credits)],
  [d("ledger.used"), plain(user.used_credits)],
  [d("ledger.key_remaining"), token.unlimited_credits ? d("ledger.unlimited") : plain(token.remaining_credits)],
  [d("ledger.key_today"), token.daily_limit_credits === undefined ? undefined : `${plain(token.daily_used_credits)} / ${plain(token.daily_limit_credits)}`],
]} />`;
