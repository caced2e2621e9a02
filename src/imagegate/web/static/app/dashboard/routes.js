// The operator's routes: their health, what the last day cost, and a reset.
import { html } from "html";
import { post } from "../api.js";
import { askConfirm } from "../confirm.js";
import { showError } from "../errors.js";
import { formatNumber, t } from "../i18n.js";
import { showToast } from "../store.js";
import { d, Empty, Loader, RowButton, reasonText, StateBadge, Time, View } from "./components.js";
import { useData } from "./data.js";
import { Margin, Usd } from "./margin.js";
import { Table } from "./table.js";

const INTERVAL_S = 15;

export function Routes() {
  const routes = useData("/v1/admin/routes", INTERVAL_S);
  const reset = async (/** @type {string} */ name) => {
    const question = { title: d("routes.reset_title", { name }), text: d("routes.reset_text") };
    if (!(await askConfirm({ ...question, confirm: d("routes.reset") }))) return;
    const reply = await post("/v1/admin/routes/reset", { name });
    if (!reply.ok) return showError(reply);
    showToast(d("routes.was_reset", { name }));
    routes.reload();
  };
  return html`
    <${View} title=${d("views.routes")} about=${d("routes.about")}>
      <${Loader} data=${routes} view=${RouteTable} onReset=${reset} />
    <//>
  `;
}

/** @param {any} row */
const nameOf = (row) => row.name;

/** @param {{value: any, onReset: (name: string) => void}} props */
function RouteTable({ value, onReset }) {
  if (!value.data.length) return html`<${Empty} title=${d("routes.none")} text=${d("routes.none_text")} />`;
  const shown = columns(value.data, onReset);
  return html`<${Table} caption=${d("views.routes")} rows=${value.data} columns=${shown} id=${nameOf} />`;
}

/** Only a route with a history of faults has something to reset. @param {any} route */
const isResettable = ({ state, flags }) => state !== "healthy" || flags > 0;

/** @param {any[]} routes @param {(name: string) => void} reset @returns {import("./table.js").Column[]} */
const columns = (routes, reset) => [
  { title: d("columns.route"), head: true, cell: (row) => html`<${Name} route=${row} />` },
  { title: d("columns.status"), cell: (row) => html`<${Status} route=${row} />` },
  { title: d("columns.calls"), num: true, cell: (row) => html`<${Calls} route=${row} />` },
  { title: d("columns.revenue"), num: true, cell: (row) => html`<${Usd} money=${row.brought} />` },
  { title: d("columns.cost"), num: true, cell: (row) => html`<${Usd} money=${row.spent} />` },
  { title: d("costs.margin"), num: true, cell: (row) => html`<${Margin} money=${row.margin} />` },
  ...(routes.some(isResettable) ? [resetColumn(reset)] : []),
];

/** @param {(name: string) => void} reset @returns {import("./table.js").Column} */
const resetColumn = (reset) => ({
  title: d("columns.actions"),
  cell: (row) =>
    isResettable(row) &&
    html`<${RowButton} text=${d("routes.reset")} name=${row.name} onClick=${() => reset(row.name)} />`,
});

/** @param {{route: any}} props */
const Name = ({ route: { name, model, upstream_model, cost } }) => html`
  ${name}
  ${upstream_model !== model && html`<span class="line small soft">${upstream_model}</span>`}
  <span class="line small soft">${priceText(cost)}</span>
`;

/** "$0.02 per image", or the rates of tokens. @param {Record<string, string>} cost */
function priceText(cost) {
  const rates = Object.entries(cost).map(([name, usd]) => {
    const [, tier] = name.match(/^per_image_(.+)$/) ?? [];
    return tier ? d("routes.rate.tier", { usd, tier }) : rateText(name, usd);
  });
  const tokens = Object.keys(cost).some((name) => !name.startsWith("per_image"));
  return tokens ? d("routes.per_million", { rates: rates.join(", ") }) : rates.join(", ");
}

/** @param {string} name @param {string} usd */
function rateText(name, usd) {
  const text = t(`dashboard.routes.rate.${name}`, { usd });
  return text.startsWith("dashboard.") ? `${name} $${usd}` : text;
}

/** @param {{route: any}} props */
function Status({ route: { state, reason, until, flags, last_flag } }) {
  const anomalies = `${d("routes.anomalies", { n: flags })}: ${last_flag}`;
  return html`
    <${StateBadge} state=${state} />
    ${reason && html`<span class="line small">${reasonText(reason)}</span>`}
    ${until && html`<span class="line small soft">${d("routes.until")} <${Time} seconds=${until} /></span>`}
    ${last_flag && html`<span class="line small soft">${anomalies}</span>`}
  `;
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
