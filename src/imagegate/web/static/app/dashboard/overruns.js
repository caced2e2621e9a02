// Bills that were capped at their hold: the operator pays the rest.
import { html } from "html";
import { Amount, d, Empty, TaskLink, Time, View } from "./components.js";
import { useAccountNames, usePages } from "./data.js";
import { linkTo } from "./router.js";
import { PagedTable } from "./table.js";

/** @param {Map<string, string>} names of accounts @returns {import("./table.js").Column[]} */
const columns = (names) => [
  { title: d("columns.task"), head: true, cell: (row) => html`<${TaskLink} id=${row.task_id} view="work" />` },
  { title: d("columns.created"), cell: (row) => html`<${Time} seconds=${row.created} />` },
  {
    title: d("columns.account"),
    cell: (row) =>
      html`<a href=${linkTo("accounts", row.account_id)}>${names.get(row.account_id) ?? row.account_id}</a>`,
  },
  { title: d("columns.charged"), num: true, cell: (row) => html`<${Amount} money=${row.charged} />` },
  { title: d("columns.price"), num: true, cell: (row) => html`<${Amount} money=${row.price} />` },
  { title: d("columns.overrun"), num: true, cell: (row) => html`<${Amount} money=${row.overrun} />` },
];

export function Overruns() {
  const names = useAccountNames();
  const pages = usePages("/v1/admin/overruns?limit=50");
  const empty = html`<${Empty} title=${d("overruns.none")} text=${d("overruns.none_text")} />`;
  return html`
    <${View} title=${d("views.overruns")} about=${d("overruns.about")}>
      <${PagedTable} pages=${pages} caption=${d("views.overruns")} empty=${empty} columns=${columns(names)} />
    <//>
  `;
}
