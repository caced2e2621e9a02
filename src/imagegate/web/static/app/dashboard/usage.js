// What was settled: by day, model or key, in a range of days.
import { html } from "html";
import { SelectField } from "../fields.js";
import { formatNumber } from "../i18n.js";
import { formatCredits } from "../money.js";
import { Chart, isoDay, listDays } from "./chart.js";
import { Amount, d, Empty, Loader, Together, View } from "./components.js";
import { useData } from "./data.js";
import { queryValue, setQuery } from "./router.js";
import { Table } from "./table.js";

const GROUPS = ["day", "model", "key"];
const RANGES_DAYS = ["7", "30", "90", "365"];
const MAX_LINES = 6;
const DAY_S = 86400;

/** @param {string} value @param {string[]} allowed @param {string} usual */
const oneOf = (value, allowed, usual) => (allowed.includes(value) ? value : usual);

export function Usage() {
  const group = oneOf(queryValue("by"), GROUPS, "day");
  const range = oneOf(queryValue("days"), RANGES_DAYS, "30");
  const from = isoDay(Math.floor(Date.now() / 1000) - (Number(range) - 1) * DAY_S);
  const byDay = useData(`/v1/usage?from=${from}&group_by=${group === "day" ? "day" : `day,${group}`}`);
  const totals = useData(`/v1/usage?from=${from}&group_by=${group}`);
  const keys = useData("/v1/keys?limit=200");
  const keyNames = new Map((keys.value?.data ?? []).map((/** @type {any} */ key) => [key.id, key.name]));
  return html`
    <${View} title=${d("views.usage")} about=${d("usage.about")}>
      <div class="filters"><${GroupField} value=${group} /><${RangeField} value=${range} /></div>
      <${Together} all=${[byDay, totals]}>
        <${Loader} data=${byDay} view=${UsageChart} group=${group} keyNames=${keyNames} />
        <${Loader} data=${totals} view=${UsageTable} group=${group} keyNames=${keyNames} />
      <//>
    <//>
  `;
}

/** @param {{value: string}} props */
function GroupField({ value }) {
  const options = GROUPS.map((group) => [group, d(`usage.group.${group}`)]);
  const pick = (/** @type {string} */ by) => setQuery({ by });
  return html`
    <${SelectField} id="usage-by" label=${d("usage.by")} value=${value} options=${options} onPick=${pick} />
  `;
}

/** @param {{value: string}} props */
function RangeField({ value }) {
  const options = RANGES_DAYS.map((n) => [n, d("usage.days", { n })]);
  const pick = (/** @type {string} */ days) => setQuery({ days });
  return html`
    <${SelectField} id="usage-days" label=${d("usage.range")} value=${value} options=${options} onPick=${pick} />
  `;
}

/**
 * The models or keys that spent most, with their credits by day; what ranks them is exact.
 * @param {any[]} rows
 * @param {string} group
 */
function largestSpenders(rows, group) {
  /** @type {Map<string, {name: string, nanos: bigint, creditsByDay: Map<string, number>}>} */
  const spenders = new Map();
  for (const row of rows) {
    const spender = spenders.get(row[group]) ?? { name: row[group], nanos: 0n, creditsByDay: new Map() };
    spender.nanos += BigInt(row.amount.nanos);
    spender.creditsByDay.set(row.day, Number(row.amount.credits));
    spenders.set(row[group], spender);
  }
  return [...spenders.values()].sort((a, b) => (a.nanos < b.nanos ? 1 : -1)).slice(0, MAX_LINES);
}

/** @param {{value: any, group: string, keyNames: Map<string, string>}} props */
function UsageChart({ value: usage, group, keyNames }) {
  if (!usage.data.length) return html`<${Empty} title=${d("usage.none")} text=${d("usage.none_text")} />`;
  const days = listDays(usage.first_day, usage.last_day);
  const values = (/** @type {Map<string, number>} */ credits) => days.map((day) => credits.get(isoDay(day)) ?? 0);
  const all = new Map(usage.data.map((/** @type {any} */ row) => [row.day, Number(row.amount.credits)]));
  const lines =
    group === "day"
      ? [{ label: d("columns.credits"), values: values(all) }]
      : largestSpenders(usage.data, group).map(({ name, creditsByDay }) => ({
          label: keyNames.get(name) ?? name,
          values: values(creditsByDay),
        }));
  return html`
    <div class="card"><${Chart} days=${days} lines=${lines} bars=${group === "day"} label=${d("usage.chart")} /></div>
  `;
}

/** @param {{value: any, group: string, keyNames: Map<string, string>}} props */
function UsageTable({ value: usage, group, keyNames }) {
  const rows = group === "day" ? [...usage.data].reverse() : usage.data;
  if (!rows.length) return null;
  const { tasks, images, amount } = usage.total;
  const total = { tasks: formatNumber(tasks), images: formatNumber(images), credits: formatCredits(amount) };
  const id = (/** @type {any} */ row) => row[group];
  return html`
    <p>${d("usage.total", total)}</p>
    <${Table} caption=${d("usage.caption")} rows=${rows} id=${id} columns=${columns(group, keyNames)} />
  `;
}

/** @param {string} group @param {Map<string, string>} keyNames @returns {import("./table.js").Column[]} */
const columns = (group, keyNames) => [
  {
    title: d(`columns.${group}`),
    head: true,
    cell: (row) => (group === "key" ? html`<${KeyName} id=${row.key} name=${keyNames.get(row.key)} />` : row[group]),
  },
  { title: d("columns.tasks"), num: true, cell: (row) => formatNumber(row.tasks) },
  { title: d("columns.images"), num: true, cell: (row) => formatNumber(row.images) },
  { title: d("columns.credits"), num: true, cell: (row) => html`<${Amount} money=${row.amount} />` },
];

/** @param {{id: string, name?: string}} props */
const KeyName = ({ id, name }) => html`${name ?? d("usage.deleted")}<br /><code class="small">${id}</code>`;
