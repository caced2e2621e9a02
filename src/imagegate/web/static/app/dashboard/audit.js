// What operators did, and what happened to accounts, keys, secrets, credits and routes.
import { html } from "html";
import { formatNumber } from "../i18n.js";
import { d, Empty, Time, View, valueText } from "./components.js";
import { usePages } from "./data.js";
import { PagedTable } from "./table.js";

/** @returns {import("./table.js").Column[]} */
const columns = () => [
  { title: d("columns.action"), head: true, cell: (row) => html`<${Action} row=${row} />` },
  { title: d("columns.created"), cell: (row) => html`<${Time} seconds=${row.created} />` },
  { title: d("columns.actor"), cell: (row) => html`<div class="ids"><${Actor} row=${row} /></div>` },
  { title: d("columns.target"), cell: (row) => html`<div class="ids"><${Target} row=${row} /></div>` },
  { title: d("columns.change"), cell: (row) => html`<div class="ids"><${Change} row=${row} /></div>` },
];

/** @param {{row: any}} props */
const Action = ({ row }) => html`
  ${valueText("audit.actions", row.action.replace(".", "_"))}
  ${row.times > 1 && html`<span class="line small soft">${d("audit.times", { n: formatNumber(row.times) })}</span>`}
`;

/** @param {{row: any}} props */
const Actor = ({ row }) => html`
  <code>${row.actor || "–"}</code>
  <span class="line small soft">${valueText("audit.via", row.via.replace(" ", "_"))} ${row.address}</span>
  ${row.request_id && html`<span class="line small soft"><code>${row.request_id}</code></span>`}
`;

/** @param {{row: any}} props */
const Target = ({ row }) => html`
  <code>${row.target || "–"}</code>
  ${
    row.account_id &&
    row.account_id !== row.target &&
    html`<span class="line small soft"><code>${row.account_id}</code></span>`
  }
`;

/** @param {any} value */
const shown = (value) => (value === undefined || value === null ? "–" : JSON.stringify(value));

/** What was changed: each name with its value before and after. @param {{row: any}} props */
function Change({ row: { before, after } }) {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
  const changed = names.filter((name) => shown(before?.[name]) !== shown(after?.[name]));
  const line = (/** @type {string} */ name) => html`
    <span class="line">${name}: ${before && html`${shown(before[name])} → `}${shown(after?.[name])}</span>
  `;
  return html`<span class="small">${changed.length ? changed.map(line) : "–"}</span>`;
}

export function Audit() {
  const pages = usePages("/v1/admin/audit?limit=50");
  const empty = html`<${Empty} title=${d("audit.none")} text=${d("audit.none_text")} />`;
  return html`
    <${View} title=${d("views.audit")} about=${d("audit.about")}>
      <${PagedTable} pages=${pages} caption=${d("views.audit")} empty=${empty} columns=${columns()} />
    <//>
  `;
}
