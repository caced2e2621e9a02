// What was settled: by day, model or key, in a range of days.
import { html } from "html";
import { number } from "../i18n.js";
import { credits } from "../money.js";
import { Chart, dayName, days } from "./chart.js";
import { useLoad } from "./load.js";
import { Amount, d, Empty, Loaded, Table, View } from "./parts.js";
import { filter, place } from "./place.js";

const GROUPS = ["day", "model", "key"];
const RANGES = ["7", "30", "90", "365"];
const MOST_LINES = 6;

/** Sums by model or key: exact, in nanos. @param {any[]} rows @param {string} group */
function sums(rows, group) {
  /** @type {Map<string, any>} */
  const found = new Map();
  for (const row of rows) {
    const sum = found.get(row[group]) ?? { name: row[group], tasks: 0, images: 0, nanos: 0n, credits: 0, days: new Map() };
    sum.tasks += row.tasks;
    sum.images += row.images;
    sum.nanos += BigInt(row.amount.nanos);
    sum.days.set(row.day, Number(row.amount.credits));
    found.set(row[group], sum);
  }
  return [...found.values()].sort((a, b) => (a.nanos < b.nanos ? 1 : -1));
}

export function Usage() {
  const query = place.value.query;
  const group = GROUPS.includes(query.get("by") ?? "") ? String(query.get("by")) : "day";
  const range = RANGES.includes(query.get("days") ?? "") ? String(query.get("days")) : "30";
  const from = dayName(Math.floor(Date.now() / 1000) - (Number(range) - 1) * 86400);
  const load = useLoad(`/v1/usage?from=${from}&group_by=${group === "day" ? "day" : `day,${group}`}`);
  const totals = useLoad(`/v1/usage?from=${from}&group_by=${group}`);
  const keys = useLoad("/v1/keys?limit=200");
  const named = new Map((keys.value?.data ?? []).map((/** @type {any} */ key) => [key.id, key.name]));
  return html`<${View} title=${d("views.usage")} about=${d("usage.about")}>
    <div class="filters">
      <${Choice} id="usage-by" label=${d("usage.by")} name="by" chosen=${group} options=${GROUPS.map((one) => [one, d(`usage.group.${one}`)])} />
      <${Choice} id="usage-days" label=${d("usage.range")} name="days" chosen=${range} options=${RANGES.map((one) => [one, d("usage.days", { n: one })])} />
    </div>
    <${Loaded} load=${load}>${(/** @type {any} */ usage) => html`<${Plot} usage=${usage} group=${group} named=${named} />`}</${Loaded}>
    <${Loaded} load=${totals}>${(/** @type {any} */ usage) => html`<${Figures} usage=${usage} group=${group} named=${named} />`}</${Loaded}>
  </${View}>`;
}

/** @param {{id: string, label: string, name: string, chosen: string, options: string[][]}} props */
const Choice = ({ id, label, name, chosen, options }) => html`<div class="field"><label for=${id}>${label}</label>
  <select class="input" id=${id} onChange=${(/** @type {any} */ event) => filter({ [name]: event.target.value })}>
    ${options.map(([value, text]) => html`<option value=${value} selected=${value === chosen}>${text}</option>`)}
  </select></div>`;

/** @param {{usage: any, group: string, named: Map<string, string>}} props */
function Plot({ usage, group, named }) {
  if (!usage.data.length) return html`<${Empty} title=${d("usage.none")} text=${d("usage.none_text")} />`;
  const x = days(usage.first_day, usage.last_day);
  const several = group === "day" ? [] : sums(usage.data, group).slice(0, MOST_LINES);
  const lines = several.map((one) => ({ label: named.get(one.name) ?? one.name, values: x.map((at) => one.days.get(dayName(at)) ?? 0) }));
  const by = new Map(usage.data.map((/** @type {any} */ row) => [row.day, Number(row.amount.credits)]));
  const whole = [{ label: d("columns.credits"), values: x.map((at) => by.get(dayName(at)) ?? 0) }];
  return html`<div class="card"><${Chart} x=${x} lines=${group === "day" ? whole : lines} bars=${group === "day"} label=${d("usage.plot")} /></div>`;
}

/** @param {{usage: any, group: string, named: Map<string, string>}} props */
function Figures({ usage, group, named }) {
  const rows = group === "day" ? [...usage.data].reverse() : usage.data;
  const { total } = usage;
  if (!rows.length) return null;
  return html`<p>${d("usage.total", { tasks: number(total.tasks), images: number(total.images), credits: credits(total.amount) })}</p>
    <${Table} caption=${d("usage.caption")} rows=${rows} id=${(/** @type {any} */ row) => row[group]} columns=${[
      { name: group, title: d(`columns.${group}`), head: true, cell: (/** @type {any} */ row) => (group === "key" ? html`${named.get(row.key) ?? d("usage.deleted")}<br /><code class="small">${row.key}</code>` : row[group]) },
      { name: "tasks", title: d("columns.tasks"), num: true, cell: (/** @type {any} */ row) => number(row.tasks) },
      { name: "images", title: d("columns.images"), num: true, cell: (/** @type {any} */ row) => number(row.images) },
      { name: "credits", title: d("columns.credits"), num: true, cell: (/** @type {any} */ row) => html`<${Amount} money=${row.amount} />` },
    ]} />`;
}
