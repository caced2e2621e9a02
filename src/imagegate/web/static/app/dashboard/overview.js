// The first look: what is left, what runs, what it cost, what went wrong.
import { html } from "html";
import { number } from "../i18n.js";
import { rounded, usd } from "../money.js";
import { account } from "../store.js";
import { Chart, dayName, days } from "./chart.js";
import { useLoad } from "./load.js";
import { Amount, d, Empty, Loaded, plain, State, Table, View, When } from "./parts.js";
import { link } from "./place.js";

const EVERY_S = 10;

/** @param {{title: string, figure: any, about?: any, href?: string}} props */
const Tile = ({ title, figure, about, href }) => html`<div class="card tile">
  <p class="label">${href ? html`<a href=${href}>${title}</a>` : title}</p><p class="figure">${figure}</p>${about && html`<p class="small soft">${about}</p>`}
</div>`;

export function Overview() {
  const money = useLoad("/v1/credits", EVERY_S);
  const usage = useLoad("/v1/usage?group_by=day", 6 * EVERY_S);
  const running = useLoad("/v1/tasks?status=processing&page_size=5", EVERY_S);
  const failed = useLoad("/v1/tasks?status=failed&page_size=5", 3 * EVERY_S);
  return html`<${View} title=${d("views.overview")} about=${account.value?.name}>
    <${Loaded} load=${money}>${(/** @type {any} */ found) => html`<${Balance} data=${found.data} usage=${usage.value} running=${running.value} failed=${failed.value} />`}</${Loaded}>
    <${Loaded} load=${usage}>${(/** @type {any} */ found) => html`<${Spend} usage=${found} />`}</${Loaded}>
    <div class="halves">
      <section class="stack"><h3>${d("overview.running")}</h3><${Loaded} load=${running}>${(/** @type {any} */ found) => html`<${Few} rows=${found.data} caption=${d("overview.running")} empty=${d("overview.none_running")} />`}</${Loaded}></section>
      <section class="stack"><h3>${d("overview.errors")}</h3><${Loaded} load=${failed}>${(/** @type {any} */ found) => html`<${Few} rows=${found.data} caption=${d("overview.errors")} empty=${d("overview.no_errors")} />`}</${Loaded}></section>
    </div>
  </${View}>`;
}

/** @param {{data: any, usage: any, running: any, failed: any}} props */
function Balance({ data, usage, running, failed }) {
  const { user, token } = data;
  const count = (/** @type {any} */ load) => (load ? number(load.total) : "…");
  return html`
    ${user.remaining_credits <= 0 && html`<${OutOfCredits} />`}
    <div class="tiles">
      <${Tile} title=${d("overview.balance")} figure=${rounded(user.exact.remaining.credits, 2)} about=${usd(user.exact.remaining)} href=${link("credits")} />
      <${Tile} title=${d("overview.held")} figure=${plain(user.reserved_credits)} about=${d("overview.held_about")} />
      <${Tile} title=${d("overview.running")} figure=${count(running)} about=${d("overview.running_about")} href=${link("tasks", "", { status: "processing" })} />
      <${Tile} title=${d("overview.spent")} figure=${usage ? rounded(usage.total.amount.credits, 2) : "…"} about=${usage && d("overview.spent_about", { images: number(usage.total.images), usd: usd(usage.total.amount) })} href=${link("usage")} />
      <${Tile} title=${d("overview.errors_all")} figure=${count(failed)} about=${d("overview.errors_about")} href=${link("tasks", "", { status: "failed" })} />
    </div>
    ${!token.unlimited_credits && html`<p class="note">${d("overview.capped", { remaining: plain(token.remaining_credits) })}</p>`}`;
}

function OutOfCredits() {
  const operator = account.value?.scopes.includes("admin");
  return html`<div class="note sun stack" data-out-of-credits><p><strong>${d("overview.out.title")}</strong> ${d(operator ? "overview.out.operator" : "overview.out.text")}</p>
    ${operator && html`<div class="row"><a class="button tight" href=${link("accounts")}>${d("views.accounts")}</a></div>`}</div>`;
}

/** @param {{usage: any}} props */
function Spend({ usage }) {
  const x = days(usage.first_day, usage.last_day);
  const by = new Map(usage.data.map((/** @type {any} */ row) => [row.day, row]));
  const lines = [{ label: d("columns.credits"), values: x.map((at) => Number(by.get(dayName(at))?.amount.credits ?? 0)) }];
  if (!usage.data.length) return html`<${Empty} title=${d("overview.unused.title")} text=${d("overview.unused.text")}><a class="button main" href="/#playground">${d("playground")}</a></${Empty}>`;
  return html`<div class="card stack"><${Chart} x=${x} lines=${lines} bars label=${d("overview.plot")} />
    <details><summary class="small">${d("as_table")}</summary><${Table} caption=${d("overview.plot")} rows=${[...usage.data].reverse()} id=${(/** @type {any} */ row) => row.day} columns=${[
      { name: "day", title: d("columns.day"), head: true, cell: (/** @type {any} */ row) => row.day },
      { name: "images", title: d("columns.images"), num: true, cell: (/** @type {any} */ row) => number(row.images) },
      { name: "credits", title: d("columns.credits"), num: true, cell: (/** @type {any} */ row) => html`<${Amount} money=${row.amount} />` },
    ]} /></details></div>`;
}

/** @param {{rows: any[], caption: string, empty: string}} props */
function Few({ rows, caption, empty }) {
  if (!rows.length) return html`<p class="soft small quiet">${empty}</p>`;
  return html`<${Table} caption=${caption} rows=${rows} columns=${[
    { name: "task", title: d("columns.task"), head: true, cell: (/** @type {any} */ row) => html`<a href=${link("tasks", row.id)}><${When} seconds=${row.created_at} /></a>` },
    { name: "model", title: d("columns.model"), cell: (/** @type {any} */ row) => row.model },
    { name: "status", title: d("columns.status"), cell: (/** @type {any} */ row) => html`<${State} word=${row.status} />` },
  ]} />`;
}
