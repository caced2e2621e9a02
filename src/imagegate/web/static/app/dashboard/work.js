// The tasks of all accounts, and what one of them earned and cost.
import { html } from "html";
import { withValue } from "../dom.js";
import { TaskFilters } from "../tasks/filters.js";
import { isFiltered } from "../tasks/list.js";
import { d, Empty, View } from "./components.js";
import { Costs } from "./costs.js";
import { useAccountNames } from "./data.js";
import { EndlessTable } from "./endless.js";
import { linkTo, queryValue, setQuery } from "./router.js";
import { Table } from "./table.js";
import { createdColumn, priceColumn, promptColumn, statusColumn, thumbnailColumn } from "./task_cells.js";
import { useModels, useTaskList } from "./task_list.js";
import { NoMatch } from "./tasks.js";

/** @typedef {import("./table.js").Column} Column */

/** @param {{id: string}} props */
export const Work = ({ id }) => (id ? html`<${Costs} id=${id} key=${id} />` : html`<${WorkList} />`);

/** @returns {Column} */
const accountColumn = () => ({
  title: d("columns.account"),
  width: "name",
  cell: (row) => html`<a href=${linkTo("accounts", row.account_id)}>${row.account_name}</a>`,
});

/** @returns {Column[]} */
const columns = () => [
  thumbnailColumn(),
  promptColumn("work"),
  accountColumn(),
  statusColumn(),
  createdColumn(),
  priceColumn(),
];

function WorkList() {
  const list = useTaskList("/v1/admin/tasks");
  const none = html`<${Empty} title=${d("work.none")} text=${d("work.none_text")} />`;
  const empty = isFiltered(list.filters.value) ? html`<${NoMatch} />` : none;
  return html`
    <${View} title=${d("views.work")} about=${d("work.about")}>
      <${TaskFilters} list=${list} models=${useModels()}><${AccountField} /><//>
      <${EndlessTable} list=${list} caption=${d("views.work")} columns=${columns()} empty=${empty} />
    <//>
  `;
}

function AccountField() {
  const chosen = queryValue("account");
  const names = useAccountNames();
  const chosenName = chosen && !names.has(chosen) ? [[chosen, chosen]] : [];
  const options = [["", d("work.every_account")], ...names, ...chosenName];
  const option = (/** @type {string[]} */ [id, name]) =>
    html`<option key=${id} value=${id} selected=${id === chosen}>${name}</option>`;
  return html`
    <select
      class="input tight"
      aria-label=${d("columns.account")}
      data-filter="account"
      data-set=${Boolean(chosen)}
      onChange=${withValue((account) => setQuery({ account }))}
    >
      ${options.map(option)}
    </select>
  `;
}

/**
 * A few of them. `without`: columns that say nothing there.
 * @param {{value: any, caption: string, empty: string, without?: string[]}} props
 */
export function TasksOfAll({ value, caption, empty, without = [] }) {
  if (!value.data.length) return html`<p class="soft small quiet">${empty}</p>`;
  const hidden = without.map((name) => d(`columns.${name}`));
  const shown = columns().filter(({ title }) => !hidden.includes(title));
  return html`<${Table} caption=${caption} rows=${value.data} columns=${shown} fixed />`;
}
