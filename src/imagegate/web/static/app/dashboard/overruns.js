// Bills that were cut at their hold: the operator bears the rest.
import { html } from "html";
import { usePages } from "./load.js";
import { Amount, d, Empty, List, View, When } from "./parts.js";
import { link } from "./place.js";

export function Overruns() {
  const pages = usePages("/v1/admin/overruns?limit=50");
  return html`<${View} title=${d("views.overruns")} about=${d("overruns.about")}>
    <${List} pages=${pages} caption=${d("views.overruns")} empty=${html`<${Empty} title=${d("overruns.none")} text=${d("overruns.none_text")} />`} columns=${[
      { name: "task", title: d("columns.task"), head: true, cell: (/** @type {any} */ row) => html`<a href=${link("costs", row.task_id)}><code>${row.task_id}</code></a>` },
      { name: "created", title: d("columns.created"), cell: (/** @type {any} */ row) => html`<${When} seconds=${row.created} />` },
      { name: "account", title: d("columns.account"), cell: (/** @type {any} */ row) => html`<code>${row.account_id}</code>` },
      { name: "charged", title: d("columns.charged"), num: true, cell: (/** @type {any} */ row) => html`<${Amount} money=${row.charged} />` },
      { name: "price", title: d("columns.price"), num: true, cell: (/** @type {any} */ row) => html`<${Amount} money=${row.price} />` },
      { name: "overrun", title: d("columns.overrun"), num: true, cell: (/** @type {any} */ row) => html`<${Amount} money=${row.overrun} />` },
    ]} />
  </${View}>`;
}
