// What a task of any account earned and cost, and which routes were considered for it.
import { html } from "html";
import { withForm } from "../dom.js";
import { TextField } from "../fields.js";
import { formatNumber } from "../i18n.js";
import { attemptColumn, durationColumn, NoAttempts, startedColumn } from "./attempts.js";
import { Amount, d, Facts, Loader, Margin, StateBadge, View } from "./components.js";
import { useData } from "./data.js";
import { linkTo } from "./router.js";
import { Table } from "./table.js";

/** @param {{id: string}} props */
export function Costs({ id }) {
  const submit = withForm((form) => {
    location.hash = linkTo("costs", String(new FormData(form).get("task")).trim());
  });
  return html`
    <${View} title=${d("views.costs")} about=${d("costs.about")}>
      <form class="filters" onSubmit=${submit}>
        <${TextField}
          id="cost-task"
          key=${id}
          className="wide"
          label=${d("costs.id")}
          name="task"
          required
          defaultValue=${id}
          placeholder="task-unified-…"
          spellcheck=${false}
        />
        <button class="button main">${d("costs.find")}</button>
      </form>
      ${id && html`<${TaskCosts} id=${id} key=${id} />`}
    <//>
  `;
}

/** @param {{id: string}} props */
const TaskCosts = ({ id }) =>
  html`<${Loader} data=${useData(`/v1/admin/tasks/${encodeURIComponent(id)}`)} view=${CostDetails} />`;

/** @param {{value: any}} props */
function CostDetails({ value: { charged, cost, waste, margin, attempts } }) {
  /** @type {[string, any][]} */
  const amounts = [
    [d("columns.charged"), html`<${Amount} money=${charged} />`],
    [d("columns.cost"), html`<${Amount} money=${cost} />`],
    [d("costs.waste"), html`<${Amount} money=${waste} />`],
    [d("costs.margin"), html`<${Margin} money=${margin} />`],
  ];
  return html`
    <div class="card"><${Facts} pairs=${amounts} /></div>
    ${attempts.length ? html`<${Attempts} attempts=${attempts} />` : html`<${NoAttempts} />`}
  `;
}

/** @param {{attempts: any[]}} props */
const Attempts = ({ attempts }) => html`
  <${Table} caption=${d("tasks.attempts")} rows=${attempts} columns=${attemptColumns()} />
  ${attempts.map((attempt) => html`<${Plan} key=${attempt.id} attempt=${attempt} />`)}
`;

/** @returns {import("./table.js").Column[]} */
const attemptColumns = () => [
  attemptColumn(),
  {
    title: d("columns.route"),
    cell: (row) => html`${row.route}${row.request_id && html`<br /><code>${row.request_id}</code>`}`,
  },
  startedColumn(),
  durationColumn(),
  { title: d("columns.outcome"), cell: (row) => html`<${Outcome} attempt=${row} />` },
  { title: d("columns.images"), num: true, cell: (row) => row.images },
  { title: d("columns.cost"), num: true, cell: (row) => html`<${Amount} money=${row.cost} />` },
];

/** @param {{attempt: any}} props */
const Outcome = ({ attempt }) => html`
  <${StateBadge} state=${attempt.outcome} />
  ${attempt.possible_duplicate && html` <span class="badge warn">${d("columns.duplicates")}</span>`}
  <span class="line small soft">${[attempt.trouble, attempt.detail].filter(Boolean).join(": ")}</span>
`;

/** The routes that were considered for an attempt. @param {{attempt: any}} props */
function Plan({ attempt: { attempt, considered } }) {
  if (!considered.length) return null;
  const title = d("costs.plan", { n: attempt });
  return html`
    <details>
      <summary class="small">${title}</summary>
      <${Table} caption=${title} rows=${considered} id=${routeOf} columns=${planColumns()} />
    </details>
  `;
}

/** @param {any} row */
const routeOf = (row) => row.route;

/** Costs of a plan are whole nanos. @returns {import("./table.js").Column[]} */
const planColumns = () => [
  { title: d("columns.route"), head: true, cell: routeOf },
  {
    title: d("columns.cost"),
    num: true,
    cell: (row) => `$${formatNumber(row.cost / 1e9, { maximumFractionDigits: 4 })}`,
  },
  { title: d("costs.skipped"), cell: (row) => row.skipped || d("costs.usable") },
];
