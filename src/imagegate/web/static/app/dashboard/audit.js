// What operators did, and what happened to accounts, keys, tasks, secrets, credits and routes.
import { html } from "html";
import { SelectField } from "../fields.js";
import { formatNumber, formatTime } from "../i18n.js";
import { d, Empty, Time, View, valueText } from "./components.js";
import { useAccountNames, usePages } from "./data.js";
import { formatNanos } from "./margin.js";
import { linkTo, queryValue, setQuery } from "./router.js";
import { PagedList, Table } from "./table.js";

/** Every act that the log knows. */
const ACTIONS = [
  "account.create",
  "account.close",
  "account.reopen",
  "credits.grant",
  "credits.refund",
  "key.create",
  "key.change",
  "key.disable",
  "key.enable",
  "key.delete",
  "task.delete",
  "webhook_secret.rotate",
  "route.reset",
  "routes.reload",
  "secret.accept",
  "secret.rotate",
  "ledger.archive",
  "sign_in.failed",
];
const MICROS_PER_S = 1_000_000;
/** What changed, by what it is. */
const NANOS = ["posted", "amount", "cap", "daily_cap", "in_flight_cap"];
const MICROS = ["closed", "disabled", "expires"];

/** @param {string} action */
const actionText = (action) => valueText("audit.actions", action.replace(".", "_"));

/** @param {any} row */
const rowOf = (row) => row.id;

/** @param {{rows: any[]}} props */
export function AuditTable({ rows }) {
  const names = useAccountNames();
  return html`<${Table} caption=${d("views.audit")} rows=${rows} id=${rowOf} columns=${columns(names)} />`;
}

/** @param {Map<string, string>} names of accounts @returns {import("./table.js").Column[]} */
const columns = (names) => [
  { title: d("columns.action"), head: true, cell: (row) => html`<${Action} row=${row} />` },
  { title: d("columns.created"), cell: (row) => html`<${Time} seconds=${row.created} />` },
  { title: d("columns.actor"), cell: (row) => html`<div class="ids"><${Actor} row=${row} /></div>` },
  { title: d("columns.target"), cell: (row) => html`<div class="ids"><${Target} row=${row} names=${names} /></div>` },
  { title: d("columns.change"), cell: (row) => html`<div class="ids"><${Change} row=${row} /></div>` },
];

/** @param {{row: any}} props */
const Action = ({ row }) => html`
  ${actionText(row.action)}
  ${row.times > 1 && html`<span class="line small soft">${d("audit.times", { n: formatNumber(row.times) })}</span>`}
`;

/** Who, how and from where; the request's id finds it in the access log. @param {{row: any}} props */
function Actor({ row }) {
  const via = valueText("audit.via", row.via.replace(" ", "_"));
  const known = row.actor && row.actor !== row.via;
  return html`
    ${known ? html`<code>${row.actor}</code>` : html`<span>${via}</span>`}
    <span class="line small soft">${known && via} ${row.address}</span>
    ${row.request_id && html`<span class="line small soft"><code>${row.request_id}</code></span>`}
  `;
}

/** @param {{row: any, names: Map<string, string>}} props */
function Target({ row: { target, account_id: id }, names }) {
  const account = id && html`<a href=${linkTo("accounts", id)}>${names.get(id) ?? id}</a>`;
  if (target === id) return account || "–";
  return html`
    ${account || html`<code>${target || "–"}</code>`}
    ${account && target && html`<span class="line small soft"><code>${target}</code></span>`}
  `;
}

/** @param {string} name @param {any} value */
function shown(name, value) {
  if (value === undefined || value === null) return "–";
  if (Array.isArray(value)) return value.join(", ");
  if (typeof value === "number" && NANOS.includes(name)) return formatNanos(value);
  if (typeof value === "number" && MICROS.includes(name)) return formatTime(value / MICROS_PER_S);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** What was changed: each name with its value before and after. @param {{row: any}} props */
function Change({ row: { before, after } }) {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
  const pairs = names.map((name) => [name, shown(name, before?.[name]), shown(name, after?.[name])]);
  const line = (/** @type {string[]} */ [name, old, now]) => html`
    <span class="line">${valueText("audit.fields", name)}: ${old !== "–" && html`${old} → `}${now}</span>
  `;
  const changed = pairs.filter(([, old, now]) => old !== now);
  return html`<span class="small">${changed.length ? changed.map(line) : "–"}</span>`;
}

export function Audit() {
  const action = queryValue("action");
  const pages = usePages(`/v1/admin/audit?limit=50&action=${encodeURIComponent(action)}`);
  const options = [["", d("all")], ...ACTIONS.map((name) => [name, actionText(name)])];
  const pick = (/** @type {string} */ chosen) => setQuery({ action: chosen });
  const empty = html`<${Empty} title=${d("audit.none")} text=${d("audit.none_text")} />`;
  return html`
    <${View} title=${d("views.audit")} about=${d("audit.about")}>
      <div class="filters">
        <${SelectField}
          id="audit-action"
          label=${d("columns.action")}
          value=${action}
          options=${options}
          onPick=${pick}
        />
      </div>
      <${PagedList} pages=${pages} empty=${empty}><${AuditTable} rows=${pages.rows ?? []} /><//>
    <//>
  `;
}
