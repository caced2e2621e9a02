// The operator's first view: what all accounts together brought and cost, what waits, and how the routes are.
import { html } from "html";
import { formatNumber } from "../i18n.js";
import { formatUsd, isNegative } from "../money.js";
import { Chart, isoDay, listDays } from "./chart.js";
import { d, Empty, formatDuration, Loader, reasonText, StateBadge, Time, Together, View } from "./components.js";
import { useData } from "./data.js";
import { marginColumns, marginShare, usdNumber } from "./margin.js";
import { linkTo } from "./router.js";
import { Table } from "./table.js";
import { Tile, Tiles } from "./tiles.js";
import { TasksOfAll } from "./work.js";

const INTERVAL_S = 10;

export function Gateway() {
  const overview = useData("/v1/admin/overview", INTERVAL_S);
  const margin = useData("/v1/admin/margin?days=30", 6 * INTERVAL_S);
  const failed = useData("/v1/admin/tasks?status=failed&limit=5", 3 * INTERVAL_S);
  return html`
    <${View} title=${d("views.gateway")} about=${d("gateway.about")}>
      <${Together} all=${[overview, margin, failed]}>
        <${Loader} data=${overview} view=${Overview} />
        <${Loader} data=${margin} view=${ByModel} />
        <section class="stack">
          <h3>${d("gateway.failed")}</h3>
          <${Loader}
            data=${failed}
            view=${TasksOfAll}
            caption=${d("gateway.failed")}
            empty=${d("gateway.none_failed")}
            without=${["image", "price_paid"]}
          />
        </section>
      <//>
    <//>
  `;
}

/** @param {{value: any}} props */
const Overview = ({ value: found }) => html`
  ${found.broken_invariants.length > 0 && html`<${Violated} names=${found.broken_invariants} />`}
  <${Tiles}><${MoneyTiles} total=${found.total} /><//>
  <${Tiles}><${NowTiles} found=${found} /><//>
  <${UnhealthyRoutes} routes=${found.routes.filter((/** @type {any} */ { state }) => state !== "healthy")} />
  <${Days} found=${found} />
`;

/** @param {{names: string[]}} props */
const Violated = ({ names }) => html`
  <div class="note sun" role="alert" data-violated>
    <p><strong>${d("gateway.violated")}</strong> ${d("gateway.violated_text", { names: names.join(", ") })}</p>
  </div>
`;

/** @param {{total: any}} props */
function MoneyTiles({ total: { revenue, refunds, cost, waste, margin, completed, failed } }) {
  const share = marginShare(margin, revenue, refunds);
  const ended = completed + failed;
  const failedShare = ended ? formatNumber(failed / ended, { style: "percent", maximumFractionDigits: 1 }) : "";
  const refunded = refunds.nanos === "0" ? d("gateway.no_refunds") : d("gateway.refunds", { usd: formatUsd(refunds) });
  const wasted = waste.nanos === "0" ? d("gateway.no_waste") : d("gateway.waste", { usd: formatUsd(waste) });
  return html`
    <${Tile} title=${d("columns.revenue")} figure=${formatUsd(revenue)} about=${refunded} />
    <${Tile} title=${d("columns.cost")} figure=${formatUsd(cost)} about=${wasted} href=${linkTo("routes")} />
    <${Tile}
      title=${d("costs.margin")}
      figure=${formatUsd(margin)}
      about=${share && d("gateway.margin_about", { share })}
      mood=${isNegative(margin) ? "bad" : ""}
    />
    <${Tile}
      title=${d("gateway.completed")}
      figure=${formatNumber(completed)}
      about=${
        failed ? d("gateway.failed_about", { n: formatNumber(failed), share: failedShare }) : d("gateway.none_failed")
      }
      href=${linkTo("work")}
    />
  `;
}

/** @param {{found: any}} props */
function NowTiles({ found: { queue, webhooks, routes } }) {
  const healthy = routes.filter((/** @type {any} */ { state }) => state === "healthy").length;
  const age = (/** @type {any} */ { count, oldest_seconds: seconds }) =>
    count ? d("gateway.oldest", { age: formatDuration(seconds) }) : d("gateway.nothing");
  const running = linkTo("work", "", { status: "processing" });
  return html`
    <${Tile}
      title=${d("gateway.running")}
      figure=${formatNumber(queue.running)}
      about=${d("gateway.running_about")}
      href=${running}
    />
    <${Tile} title=${d("gateway.waiting")} figure=${formatNumber(queue.count)} about=${age(queue)} href=${running} />
    <${Tile} title=${d("gateway.webhooks")} figure=${formatNumber(webhooks.count)} about=${age(webhooks)} />
    <${Tile}
      title=${d("gateway.routes")}
      figure=${routes.length ? `${healthy} / ${routes.length}` : "–"}
      about=${routeText(healthy, routes.length)}
      href=${linkTo("routes")}
      mood=${healthy < routes.length ? "bad" : ""}
    />
  `;
}

/** @param {number} healthy @param {number} all */
function routeText(healthy, all) {
  if (!all) return d("routes.none_text");
  return healthy === all ? d("gateway.all_healthy") : d("gateway.some_unhealthy", { n: all - healthy });
}

/** @param {any} row */
const nameOf = (row) => row.name;

/** @param {{routes: any[]}} props */
function UnhealthyRoutes({ routes }) {
  if (!routes.length) return null;
  return html`
    <section class="stack" data-unhealthy>
      <h3>${d("gateway.unhealthy")}</h3>
      <${Table} caption=${d("gateway.unhealthy")} rows=${routes} id=${nameOf} columns=${healthColumns()} />
    </section>
  `;
}

/** @returns {import("./table.js").Column[]} */
const healthColumns = () => [
  { title: d("columns.route"), head: true, cell: (row) => html`<a href=${linkTo("routes")}>${row.name}</a>` },
  { title: d("columns.status"), cell: (row) => html`<${StateBadge} state=${row.state} />` },
  { title: d("gateway.reason"), cell: (row) => reasonText(row.reason) || "–" },
  {
    title: d("gateway.until"),
    cell: (row) => (row.until ? html`<${Time} seconds=${row.until} />` : d("gateway.until_reset")),
  },
];

/** There is no half of a task: such a line of the axis has no label. @param {number | null} value */
function countText(value) {
  if (value === null) return "–";
  return Number.isInteger(value) ? formatNumber(value) : "";
}

/** @param {number | null} value */
const usdText = (value) =>
  value === null
    ? "–"
    : formatNumber(value, {
        style: "currency",
        currency: "USD",
        currencyDisplay: "narrowSymbol",
        maximumSignificantDigits: 3,
      });

/** @param {any} row */
const dayOf = (row) => row.day;

/** @param {{found: any}} props */
function Days({ found: { first_day, last_day, days } }) {
  if (!days.length) return html`<${Empty} title=${d("gateway.no_days")} text=${d("gateway.no_days_text")} />`;
  const all = listDays(first_day, last_day);
  const rows = new Map(days.map((/** @type {any} */ row) => [row.day, row]));
  const values = (/** @type {(row: any) => number} */ of) =>
    all.map((day) => (rows.has(isoDay(day)) ? of(rows.get(isoDay(day))) : 0));
  const money = ["revenue", "cost", "margin"].map((name) => ({
    label: d(name === "margin" ? "costs.margin" : `columns.${name}`),
    values: values((row) => usdNumber(row[name])),
  }));
  const tasks = ["completed", "failed"].map((name) => ({
    label: d(`states.${name}`),
    values: values((row) => row[name]),
    color: { completed: "--good", failed: "--bad" }[name],
  }));
  const columns = [{ title: d("columns.day"), head: true, cell: dayOf }, ...marginColumns(), ...taskColumns()];
  return html`
    <div class="halves">
      <div class="card">
        <${Chart} days=${all} lines=${money} format=${usdText} label=${d("gateway.money_chart")} />
      </div>
      <div class="card">
        <${Chart} days=${all} lines=${tasks} format=${countText} label=${d("gateway.task_chart")} />
      </div>
    </div>
    <details>
      <summary class="small">${d("as_table")}</summary>
      <${Table} caption=${d("gateway.days")} rows=${[...days].reverse()} id=${dayOf} columns=${columns} />
    </details>
  `;
}

/** @returns {import("./table.js").Column[]} */
const taskColumns = () => [
  { title: d("states.completed"), num: true, cell: (row) => formatNumber(row.completed) },
  { title: d("states.failed"), num: true, cell: (row) => formatNumber(row.failed) },
];

/** @param {any} row */
const modelOf = (row) => row.model;

/** @param {{value: any}} props */
function ByModel({ value: { models } }) {
  if (!models.length) return null;
  const columns = [{ title: d("columns.model"), head: true, cell: modelOf }, ...marginColumns()];
  return html`
    <section class="stack">
      <h3>${d("gateway.by_model")}</h3>
      <${Table} caption=${d("gateway.by_model")} rows=${models} id=${modelOf} columns=${columns} />
    </section>
  `;
}
