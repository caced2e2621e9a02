// The first view: what is left, what is running, what it cost, what failed.
import { html } from "html";
import { formatNumber, formatTotal } from "../i18n.js";
import { formatUsd, roundDecimal } from "../money.js";
import { account, isOperator } from "../store.js";
import { Chart, isoDay, listDays } from "./chart.js";
import { Amount, d, Empty, formatCreditNumber, Loader, PlaygroundLink, Together, View } from "./components.js";
import { useData } from "./data.js";
import { linkTo } from "./router.js";
import { Table } from "./table.js";
import { promptColumn, statusColumn } from "./task_cells.js";
import { Tile, Tiles } from "./tiles.js";

const INTERVAL_S = 10;

export function Overview() {
  const credits = useData("/v1/credits", INTERVAL_S);
  const usage = useData("/v1/usage?group_by=day", 6 * INTERVAL_S);
  const running = useData("/v1/tasks?status=processing&page_size=5", INTERVAL_S);
  const failed = useData("/v1/tasks?status=failed&page_size=5", 3 * INTERVAL_S);
  const figures = { usage: usage.value, running: running.value, failed: failed.value };
  return html`
    <${View} title=${d("views.overview")} about=${account.value?.name}>
      <${Together} all=${[credits, usage, running, failed]}>
        <${Loader} data=${credits} view=${Figures} ...${figures} />
        <${Loader} data=${usage} view=${Spending} />
        <div class="halves">
          <${RecentTasks} data=${running} title=${d("overview.running")} empty=${d("overview.none_running")} />
          <${RecentTasks} data=${failed} title=${d("overview.failed")} empty=${d("overview.none_failed")} />
        </div>
      <//>
    <//>
  `;
}

/** @param {{value: any, usage: any, running: any, failed: any}} props */
function Figures({ value, usage, running, failed }) {
  const { user, token } = value.data;
  const remaining = formatCreditNumber(token.remaining_credits);
  return html`
    ${user.remaining_credits <= 0 && html`<${OutOfCredits} />`}
    <${Tiles}>
      <${Tile}
        title=${d("overview.balance")}
        figure=${roundDecimal(user.exact.remaining.credits, 2)}
        about=${formatUsd(user.exact.remaining)}
        href=${linkTo("credits")}
      />
      <${Tile}
        title=${d("overview.held")}
        figure=${formatCreditNumber(user.reserved_credits)}
        about=${d("overview.held_about")}
      />
      <${TaskCount} status="processing" name="running" tasks=${running} />
      <${SpentTile} usage=${usage} />
      <${TaskCount} status="failed" name="failed" tasks=${failed} />
    <//>
    ${!token.unlimited_credits && html`<p class="note">${d("overview.capped", { remaining })}</p>`}
  `;
}

/** @param {{status: string, name: string, tasks: any}} props */
const TaskCount = ({ status, name, tasks }) => html`
  <${Tile}
    title=${d(`overview.${name}`)}
    figure=${tasks ? formatTotal(tasks) : "…"}
    about=${tasks?.total > 0 ? d(`overview.${name}_about`) : ""}
    href=${linkTo("tasks", "", { status })}
  />
`;

/** @param {{usage: any}} props */
function SpentTile({ usage }) {
  const { amount, images } = usage?.total ?? {};
  const about = usage && d("overview.spent_about", { images: formatNumber(images), usd: formatUsd(amount) });
  return html`
    <${Tile}
      title=${d("overview.spent")}
      figure=${usage ? roundDecimal(amount.credits, 2) : "…"}
      about=${about}
      href=${linkTo("usage")}
    />
  `;
}

const OutOfCredits = () => html`
  <div class="note sun stack" data-out-of-credits>
    <p>
      <strong>${d("overview.out.title")}</strong>${" "}
      ${d(isOperator() ? "overview.out.operator" : "overview.out.customer")}
    </p>
    ${isOperator() && html`<${AccountsLink} />`}
  </div>
`;

const AccountsLink = () => html`
  <div class="row"><a class="button tight" href=${linkTo("accounts")}>${d("views.accounts")}</a></div>
`;

/** @param {any} row */
const dayOf = (row) => row.day;

/** @returns {import("./table.js").Column[]} */
const spendingColumns = () => [
  { title: d("columns.day"), head: true, cell: dayOf },
  { title: d("columns.images"), num: true, cell: (row) => formatNumber(row.images) },
  { title: d("columns.credits"), num: true, cell: (row) => html`<${Amount} money=${row.amount} />` },
];

/** @param {{value: any}} props */
function Spending({ value: usage }) {
  if (!usage.data.length) return html`<${NothingSpent} />`;
  const days = listDays(usage.first_day, usage.last_day);
  const byDay = new Map(usage.data.map((/** @type {any} */ row) => [row.day, Number(row.amount.credits)]));
  const lines = [{ label: d("columns.credits"), values: days.map((day) => byDay.get(isoDay(day)) ?? 0) }];
  const caption = d("overview.chart");
  const newestFirst = [...usage.data].reverse();
  return html`
    <div class="card stack">
      <${Chart} days=${days} lines=${lines} bars label=${caption} />
      <details>
        <summary class="small">${d("as_table")}</summary>
        <${Table} caption=${caption} rows=${newestFirst} id=${dayOf} columns=${spendingColumns()} />
      </details>
    </div>
  `;
}

const NothingSpent = () => html`
  <${Empty} title=${d("overview.nothing_spent.title")} text=${d("overview.nothing_spent.text")}>
    <${PlaygroundLink} />
  <//>
`;

/** @param {{data: import("./data.js").Data, title: string, empty: string}} props */
const RecentTasks = ({ data, title, empty }) => html`
  <section class="stack">
    <h3>${title}</h3>
    <${Loader} data=${data} view=${TaskTable} caption=${title} empty=${empty} />
  </section>
`;

/** @param {{value: any, caption: string, empty: string}} props */
function TaskTable({ value, caption, empty }) {
  if (!value.data.length) return html`<p class="soft small quiet">${empty}</p>`;
  const columns = [promptColumn("tasks", true), statusColumn()];
  return html`<${Table} caption=${caption} rows=${value.data} columns=${columns} fixed />`;
}
