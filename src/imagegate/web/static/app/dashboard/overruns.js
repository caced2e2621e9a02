// Bills that were capped at their hold: the operator pays the rest.
import { html } from "html";
import { Amount, d, Empty, TaskLink, Time, View } from "./components.js";
import { usePages } from "./data.js";
import { PagedTable } from "./table.js";

/** @returns {import("./table.js").Column[]} */
const columns = () => [
  { title: d("columns.task"), head: true, cell: (row) => html`<${TaskLink} id=${row.task_id} view="costs" />` },
  { title: d("columns.created"), cell: (row) => html`<${Time} seconds=${row.created} />` },
  { title: d("columns.account"), cell: (row) => html`<code>${row.account_id}</code>` },
  { title: d("columns.charged"), num: true, cell: (row) => html`<${Amount} money=${row.charged} />` },
  { title: d("columns.price"), num: true, cell: (row) => html`<${Amount} money=${row.price} />` },
  { title: d("columns.overrun"), num: true, cell: (row) => html`<${Amount} money=${row.overrun} />` },
];

export function Overruns() {
  const pages = usePages("/v1/admin/overruns?limit=50");
  const empty = html`<${Empty} title=${d("overruns.none")} text=${d("overruns.none_text")} />`;
  return html`
    <${View} title=${d("views.overruns")} about=${d("overruns.about")}>
      <${PagedTable} pages=${pages} caption=${d("views.overruns")} empty=${empty} columns=${columns()} />
    <//>
  `;
}
