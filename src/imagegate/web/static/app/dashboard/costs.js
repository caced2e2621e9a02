// What a task of any account brought and cost, and which routes were considered for it.
import { html } from "html";
import { number } from "../i18n.js";
import { useLoad } from "./load.js";
import { Amount, d, Facts, Loaded, Margin, State, Table, View, When } from "./parts.js";
import { link } from "./place.js";

/** @param {{id: string}} props */
export function Costs({ id }) {
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    location.hash = link("costs", String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get("task")).trim());
  };
  return html`<${View} title=${d("views.costs")} about=${d("costs.about")}>
    <form class="filters" onSubmit=${submit}><div class="field wide"><label for="cost-task">${d("costs.id")}</label>
      <input class="input" id="cost-task" name="task" required defaultValue=${id} key=${id} placeholder="task-unified-…" spellcheck=${false} /></div><button class="button main">${d("costs.look")}</button></form>
    ${id && html`<${Found} id=${id} key=${id} />`}
  </${View}>`;
}

/** @param {{id: string}} props */
function Found({ id }) {
  const load = useLoad(`/v1/admin/tasks/${encodeURIComponent(id)}`);
  return html`<${Loaded} load=${load}>${(/** @type {any} */ task) => html`<div class="card"><${Facts} pairs=${[
    [d("columns.charged"), html`<${Amount} money=${task.charged} />`],
    [d("columns.cost"), html`<${Amount} money=${task.cost} />`],
    [d("costs.waste"), html`<${Amount} money=${task.waste} />`],
    [d("costs.margin"), html`<${Margin} money=${task.margin} />`],
  ]} /></div>
  ${task.attempts.length ? html`<${Tries} rows=${task.attempts} />${task.attempts.map((/** @type {any} */ one) => html`<${Plan} key=${one.id} attempt=${one} />`)}` : html`<p class="soft small quiet">${d("tasks.no_attempts")}</p>`}`}</${Loaded}>`;
}

/** @param {{rows: any[]}} props */
const Tries = ({ rows }) => html`<${Table} caption=${d("tasks.attempts")} rows=${rows} columns=${[
  { name: "attempt", title: d("columns.attempt"), head: true, cell: (/** @type {any} */ row) => row.attempt },
  { name: "route", title: d("columns.route"), cell: (/** @type {any} */ row) => html`${row.route}${row.request_id && html`<br /><code>${row.request_id}</code>`}` },
  { name: "started", title: d("columns.started"), cell: (/** @type {any} */ row) => html`<${When} seconds=${row.started} />` },
  { name: "duration", title: d("columns.duration"), num: true, cell: (/** @type {any} */ row) => (row.duration === null ? "…" : d("seconds", { n: number(row.duration) })) },
  { name: "outcome", title: d("columns.outcome"), cell: (/** @type {any} */ row) => html`<${State} word=${row.outcome} />${row.possible_duplicate && html` <span class="badge warn">${d("columns.duplicates")}</span>`}<span class="line small soft">${[row.trouble, row.detail].filter(Boolean).join(": ")}</span>` },
  { name: "images", title: d("columns.images"), num: true, cell: (/** @type {any} */ row) => row.images },
  { name: "cost", title: d("columns.cost"), num: true, cell: (/** @type {any} */ row) => html`<${Amount} money=${row.cost} />` },
]} />`;

/** Costs of a plan come as whole nanos. @param {{attempt: any}} props */
const Plan = ({ attempt }) => attempt.considered.length > 0 && html`<details><summary class="small">${d("costs.plan", { n: attempt.attempt })}</summary>
  <${Table} caption=${d("costs.plan", { n: attempt.attempt })} rows=${attempt.considered} id=${(/** @type {any} */ row) => row.route} columns=${[
    { name: "route", title: d("columns.route"), head: true, cell: (/** @type {any} */ row) => row.route },
    { name: "cost", title: d("columns.cost"), num: true, cell: (/** @type {any} */ row) => `$${number(row.cost / 1e9, { maximumFractionDigits: 6 })}` },
    { name: "skipped", title: d("costs.skipped"), cell: (/** @type {any} */ row) => row.skipped || d("costs.taken") },
  ]} /></details>`;
