// The operator's routes: health, what the last day cost, and forgetting a bad state.
import { useState } from "preact/hooks";
import { html } from "html";
import { call } from "../api.js";
import { number } from "../i18n.js";
import { toast } from "../store.js";
import { useLoad } from "./load.js";
import { Amount, complain, Confirm, d, Empty, Loaded, State, Table, View, Margin, When } from "./parts.js";

const EVERY_S = 15;

export function Routes() {
  const load = useLoad("/v1/admin/routes", EVERY_S);
  const [resetting, setResetting] = useState("");
  const reset = async () => {
    const reply = await call("/v1/admin/routes/reset", { body: { name: resetting } });
    if (!reply.ok) return complain(reply);
    toast(d("routes.was_reset", { name: resetting }));
    load.again();
  };
  return html`<${View} title=${d("views.routes")} about=${d("routes.about")}>
    <${Loaded} load=${load}>${(/** @type {any} */ found) => (found.data.length ? html`<${Table} caption=${d("views.routes")} rows=${found.data} columns=${columns(setResetting)} id=${(/** @type {any} */ row) => row.name} />` : html`<${Empty} title=${d("routes.none")} text=${d("routes.none_text")} />`)}</${Loaded}>
    ${resetting && html`<${Confirm} title=${d("routes.reset_title", { name: resetting })} text=${d("routes.reset_text")} verb=${d("routes.reset")} act=${reset} close=${() => setResetting("")} />`}
  </${View}>`;
}

/** @param {(name: string) => void} reset @returns {import("./parts.js").Column[]} */
const columns = (reset) => [
  { name: "route", title: d("columns.route"), head: true, cell: (row) => html`${row.name}${row.upstream_model !== row.model && html`<span class="line small soft">${row.upstream_model}</span>`}` },
  { name: "status", title: d("columns.status"), cell: (row) => html`<${State} word=${row.state} />${row.reason && html`<span class="line small">${row.reason}</span>`}${row.until && html`<span class="line small soft">${d("routes.until")} <${When} seconds=${row.until} /></span>`}${row.last_flag && html`<span class="line small soft">${d("routes.flags", { n: row.flags })}: ${row.last_flag}</span>`}` },
  { name: "cost", title: d("routes.price"), cell: (row) => html`<span class="small">${Object.entries(row.cost).map(([name, usd]) => html`<span class="line">${name}: $${usd}</span>`)}</span>` },
  { name: "calls", title: d("columns.calls"), num: true, cell: (row) => html`${number(row.calls)}<br /><span class="small soft">${d("routes.produced", { n: number(row.produced) })}<span class="line">${d("routes.unknown", { n: number(row.unknown) })}</span></span>${row.possible_duplicates > 0 && html`<span class="line badge warn">${d("routes.duplicates", { n: number(row.possible_duplicates) })}</span>`}` },
  { name: "brought", title: d("columns.brought"), num: true, cell: (row) => html`<${Amount} money=${row.brought} />` },
  { name: "spent", title: d("columns.cost"), num: true, cell: (row) => html`<${Amount} money=${row.spent} />` },
  { name: "margin", title: d("costs.margin"), num: true, cell: (row) => html`<${Margin} money=${row.margin} />` },
  { name: "act", title: d("columns.actions"), cell: (row) => html`<button class="button tight" onClick=${() => reset(row.name)}>${d("routes.reset")}<span class="unseen"> ${row.name}</span></button>` },
];
