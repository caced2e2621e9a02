// The account's tasks: a list with its filters in the address, and one of them in full.
import { html } from "html";
import { TaskFilters } from "../tasks/filters.js";
import { isFiltered, NO_FILTERS } from "../tasks/list.js";
import { d, Empty, PlaygroundLink, View } from "./components.js";
import { EndlessTable } from "./endless.js";
import { setQuery } from "./router.js";
import { Task } from "./task.js";
import { createdColumn, priceColumn, promptColumn, statusColumn, thumbnailColumn } from "./task_cells.js";
import { useModels, useTaskList } from "./task_list.js";

/** @param {{id: string}} props */
export const Tasks = ({ id }) => (id ? html`<${Task} id=${id} key=${id} />` : html`<${TaskList} />`);

/** @returns {import("./table.js").Column[]} */
const columns = () => [thumbnailColumn(), promptColumn("tasks"), statusColumn(), createdColumn(), priceColumn()];

function TaskList() {
  const list = useTaskList("/v1/tasks");
  const empty = isFiltered(list.filters.value) ? html`<${NoMatch} />` : html`<${NoTasks} />`;
  const reload = html`<button class="button" onClick=${list.refresh}>${d("reload")}</button>`;
  return html`
    <${View} title=${d("views.tasks")} about=${d("tasks.about")} actions=${reload}>
      <${TaskFilters} list=${list} models=${useModels()} />
      <${EndlessTable} list=${list} caption=${d("views.tasks")} columns=${columns()} empty=${empty} />
    <//>
  `;
}

export const NoMatch = () => html`
  <${Empty} title=${d("tasks.no_match")} text=${d("tasks.no_match_text")}>
    <button class="button" onClick=${() => setQuery(NO_FILTERS)}>${d("tasks.clear")}</button>
  <//>
`;

const NoTasks = () => html`
  <${Empty} title=${d("tasks.none")} text=${d("tasks.none_text")}><${PlaygroundLink} /><//>
`;
