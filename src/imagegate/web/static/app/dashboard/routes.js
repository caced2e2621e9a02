// The operator's routes: their health, what the last day cost, and a reset.
import { html } from "html";
import { useState } from "preact/hooks";
import { post } from "../api.js";
import { showError } from "../errors.js";
import { formatNumber } from "../i18n.js";
import { showToast } from "../store.js";
import { Amount, d, Empty, Loader, Margin, RowButton, StateBadge, Time, View } from "./components.js";
import { useData } from "./data.js";
import { ConfirmDialog } from "./dialogs.js";
import { Table } from "./table.js";

const INTERVAL_S = 15;

export function Routes() {
  const routes = useData("/v1/admin/routes", INTERVAL_S);
  const [resetting, setResetting] = useState("");
  const reset = async () => {
    const reply = await post("/v1/admin/routes/reset", { name: resetting });
    if (!reply.ok) return showError(reply);
    showToast(d("routes.was_reset", { name: resetting }));
    routes.reload();
  };
  return html`
    <${View} title=${d("views.routes")} about=${d("routes.about")}>
      <${Loader} data=${routes} view=${RouteTable} onReset=${setResetting} />
      ${resetting && html`<${ResetDialog} name=${resetting} onConfirm=${reset} onClose=${() => setResetting("")} />`}
    <//>
  `;
}

/** @param {{name: string, onConfirm: () => void, onClose: () => void}} props */
const ResetDialog = ({ name, onConfirm, onClose }) => html`
  <${ConfirmDialog}
    title=${d("routes.reset_title", { name })}
    text=${d("routes.reset_text")}
    verb=${d("routes.reset")}
    onConfirm=${onConfirm}
    onClose=${onClose}
  />
`;

/** @param {any} row */
const nameOf = (row) => row.name;

/** @param {{value: any, onReset: (name: string) => void}} props */
function RouteTable({ value, onReset }) {
  if (!value.data.length) return html`<${Empty} title=${d("routes.none")} text=${d("routes.none_text")} />`;
  return html`<${Table} caption=${d("views.routes")} rows=${value.data} columns=${columns(onReset)} id=${nameOf} />`;
}

/** @param {(name: string) => void} reset @returns {import("./table.js").Column[]} */
const columns = (reset) => [
  { title: d("columns.route"), head: true, cell: (row) => html`<${Name} route=${row} />` },
  { title: d("columns.status"), cell: (row) => html`<${Status} route=${row} />` },
  { title: d("routes.price"), cell: (row) => html`<${Prices} cost=${row.cost} />` },
  { title: d("columns.calls"), num: true, cell: (row) => html`<${Calls} route=${row} />` },
  { title: d("columns.revenue"), num: true, cell: (row) => html`<${Amount} money=${row.brought} />` },
  { title: d("columns.cost"), num: true, cell: (row) => html`<${Amount} money=${row.spent} />` },
  { title: d("costs.margin"), num: true, cell: (row) => html`<${Margin} money=${row.margin} />` },
  {
    title: d("columns.actions"),
    cell: (row) => html`<${RowButton} text=${d("routes.reset")} name=${row.name} onClick=${() => reset(row.name)} />`,
  },
];

/** @param {{route: any}} props */
const Name = ({ route: { name, model, upstream_model } }) => html`
  ${name}${upstream_model !== model && html`<span class="line small soft">${upstream_model}</span>`}
`;

/** @param {{route: any}} props */
function Status({ route: { state, reason, until, flags, last_flag } }) {
  const anomalies = `${d("routes.anomalies", { n: flags })}: ${last_flag}`;
  return html`
    <${StateBadge} state=${state} />
    ${reason && html`<span class="line small">${reason}</span>`}
    ${until && html`<span class="line small soft">${d("routes.until")} <${Time} seconds=${until} /></span>`}
    ${last_flag && html`<span class="line small soft">${anomalies}</span>`}
  `;
}

/** @param {{cost: Record<string, string>}} props */
function Prices({ cost }) {
  const lines = Object.entries(cost).map(([name, usd]) => html`<span class="line">${name}: $${usd}</span>`);
  return html`<span class="small">${lines}</span>`;
}

/** @param {{route: any}} props */
function Calls({ route: { calls, produced, unknown, possible_duplicates } }) {
  const duplicates = d("routes.duplicates", { n: formatNumber(possible_duplicates) });
  return html`
    ${formatNumber(calls)}<br />
    <span class="small soft">
      ${d("routes.produced", { n: formatNumber(produced) })}
      <span class="line">${d("routes.unknown", { n: formatNumber(unknown) })}</span>
    </span>
    ${possible_duplicates > 0 && html`<span class="line badge warn">${duplicates}</span>`}
  `;
}
