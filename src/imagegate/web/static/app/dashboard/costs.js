// What a task of any account earned and cost, and which routes were considered for it.
import { html } from "html";
import { formatCredits, formatUsd, isNegative } from "../money.js";
import { attemptColumn, durationColumn, NoAttempts, startedColumn } from "./attempts.js";
import { d, Facts, Loader, StateBadge, Time, View, valueText } from "./components.js";
import { useData } from "./data.js";
import { formatNanos, marginShare, Usd } from "./margin.js";
import { linkTo } from "./router.js";
import { Table } from "./table.js";
import { Status, settingsText, Thumbnail } from "./task_cells.js";
import { Tile, Tiles } from "./tiles.js";

/** @param {{id: string}} props */
export function Costs({ id }) {
  const costs = useData(`/v1/admin/tasks/${encodeURIComponent(id)}`);
  const back = html`<a class="button tight" href=${linkTo("work")}>${d("work.back")}</a>`;
  return html`
    <${View} title=${d("costs.title")} about=${html`<code>${id}</code>`} actions=${back}>
      <${Loader} data=${costs} view=${CostDetails} />
    <//>
  `;
}

/** @param {{value: any}} props */
function CostDetails({ value: { task, charged, refunded, cost, waste, margin, attempts } }) {
  const share = marginShare(margin, charged, refunded);
  return html`
    <${Tiles}>
      <${MoneyTile} title=${d("columns.charged")} money=${charged} />
      ${refunded.nanos !== "0" && html`<${MoneyTile} title=${d("gateway.refunded")} money=${refunded} />`}
      <${MoneyTile} title=${d("columns.cost")} money=${cost} />
      <${MoneyTile} title=${d("costs.waste")} money=${waste} />
      <${Tile}
        title=${d("costs.margin")}
        figure=${formatUsd(margin)}
        about=${share && d("gateway.margin_about", { share })}
        mood=${isNegative(margin) ? "bad" : ""}
      />
    <//>
    <${TaskCard} task=${task} />
    <section class="stack">
      <h3>${d("tasks.attempts")}</h3>
      ${attempts.length ? html`<${Attempts} attempts=${attempts} />` : html`<${NoAttempts} />`}
    </section>
  `;
}

/** What was ordered, and by whom. @param {{task: any}} props */
function TaskCard({ task }) {
  /** @type {[string, any][]} */
  const facts = [
    [d("columns.account"), html`<a href=${linkTo("accounts", task.account_id)}>${task.account_name}</a>`],
    [d("columns.status"), html`<${Status} task=${task} />`],
    [d("columns.model"), `${task.model} · ${settingsText(task)}`],
    [d("columns.created"), html`<${Time} seconds=${task.created_at} />`],
  ];
  const images = task.outputs.map((/** @type {any} */ one) => html`<${Thumbnail} url=${one.thumbnail_url} />`);
  return html`
    <div class="card stack">
      <p class="prompt" tabindex="0">${task.prompt}</p>
      ${images.length > 0 && html`<div class="row">${images}</div>`}
      <${Facts} pairs=${facts} />
    </div>
  `;
}

/** @param {{title: string, money: import("../money.js").Money}} props */
const MoneyTile = ({ title, money }) =>
  html`<${Tile} title=${title} figure=${formatUsd(money)} about=${d("credits", { n: formatCredits(money) })} />`;

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
  { title: d("columns.cost"), num: true, cell: (row) => html`<${Usd} money=${row.cost} />` },
];

/** @param {{attempt: any}} props */
const Outcome = ({ attempt }) => html`
  <${StateBadge} state=${attempt.outcome} />
  ${attempt.possible_duplicate && html` <span class="badge warn">${d("columns.duplicates")}</span>`}
  <span class="line small soft">
    ${[attempt.trouble && valueText("costs.trouble", attempt.trouble), attempt.detail].filter(Boolean).join(": ")}
  </span>
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
    cell: (row) => formatNanos(row.cost),
  },
  { title: d("costs.skipped"), cell: (row) => row.skipped || d("costs.usable") },
];
