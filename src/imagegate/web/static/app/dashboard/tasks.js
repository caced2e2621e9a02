// The account's tasks: a list with its filter in the address, and one of them in full.
import { html } from "html";
import { useEffect, useState } from "preact/hooks";
import { isFinal, localPath } from "../api.js";
import { withThumbnailRetry, withValue } from "../dom.js";
import { SelectField, TextField } from "../fields.js";
import {
  d,
  Empty,
  formatCreditNumber,
  PlaygroundLink,
  ReloadButton,
  StateBadge,
  TaskLink,
  Time,
  View,
} from "./components.js";
import { useData, usePages } from "./data.js";
import { queryValue, setQuery } from "./router.js";
import { PagedTable } from "./table.js";
import { Task } from "./task.js";

const STATUSES = ["pending", "processing", "completed", "failed", "cancelled"];
const TYPING_MS = 300;

/** @param {{id: string}} props */
export const Tasks = ({ id }) => (id ? html`<${Task} id=${id} key=${id} />` : html`<${TaskList} />`);

/** @returns {import("./table.js").Column[]} */
const columns = () => [
  { title: d("columns.image"), cell: (row) => html`<${Thumbnail} url=${row.thumbnail_url} />` },
  { title: d("columns.task"), head: true, cell: (row) => html`<${TaskLink} id=${row.id} />` },
  { title: d("columns.created"), cell: (row) => html`<${Time} seconds=${row.created_at} />` },
  { title: d("columns.model"), cell: (row) => row.model },
  { title: d("columns.status"), cell: (row) => html`<${Status} task=${row} />` },
  { title: d("columns.images"), num: true, cell: (row) => row.result_count },
  { title: d("columns.credits"), num: true, cell: (row) => formatCreditNumber(row.credits_used) },
];

/** @param {{url?: string}} props */
function Thumbnail({ url }) {
  if (!url) return html`<span class="thumb" aria-hidden="true"></span>`;
  return html`
    <img
      class="thumb"
      src=${localPath(url)}
      onError=${withThumbnailRetry()}
      alt=""
      loading="lazy"
      width="56"
      height="56"
    />
  `;
}

/** @param {{task: any}} props */
const Status = ({ task }) => html`
  <${StateBadge} state=${task.status} />
  ${!isFinal(task.status) && html` <span class="small">${task.progress}%</span>`}
`;

function TaskList() {
  const [status, model, q] = ["status", "model", "q"].map(queryValue);
  const pages = usePages(`/v1/tasks?${new URLSearchParams({ status, model, q, limit: "25" })}`);
  const empty = status || model || q ? html`<${NoMatch} />` : html`<${NoTasks} />`;
  const reload = html`<${ReloadButton} pages=${pages} />`;
  return html`
    <${View} title=${d("views.tasks")} about=${d("tasks.about")} actions=${reload}>
      <form class="filters" role="search" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
        <${SearchField} value=${q} />
        <${StatusField} value=${status} />
        <${ModelField} value=${model} />
      </form>
      <${PagedTable} pages=${pages} caption=${d("views.tasks")} columns=${columns()} empty=${empty} />
    <//>
  `;
}

function NoMatch() {
  const clear = () => setQuery({ status: "", model: "", q: "" });
  return html`
    <${Empty} title=${d("tasks.no_match")} text=${d("tasks.no_match_text")}>
      <button class="button" onClick=${clear}>${d("tasks.clear")}</button>
    <//>
  `;
}

const NoTasks = () => html`
  <${Empty} title=${d("tasks.none")} text=${d("tasks.none_text")}><${PlaygroundLink} /><//>
`;

/** Searches when the typing pauses. @param {{value: string}} props */
function SearchField({ value }) {
  const [text, setText] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => text !== value && setQuery({ q: text }), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  useEffect(() => setText(value), [value]);
  return html`
    <${TextField}
      id="task-q"
      className="wide"
      label=${d("tasks.search")}
      type="search"
      maxlength="200"
      value=${text}
      onInput=${withValue(setText)}
    />
  `;
}

/** @param {{value: string}} props */
function StatusField({ value }) {
  const options = [["", d("all")], ...STATUSES.map((status) => [status, d(`tasks.filter.${status}`)])];
  const pick = (/** @type {string} */ status) => setQuery({ status });
  return html`
    <${SelectField} id="task-status" label=${d("columns.status")} value=${value} options=${options} onPick=${pick} />
  `;
}

/** @param {{value: string}} props */
function ModelField({ value }) {
  const models = useData("/v1/models");
  const ids = models.value ? models.value.data.map((/** @type {any} */ model) => model.id) : [value].filter(Boolean);
  const options = [["", d("all")], ...ids.map((/** @type {string} */ id) => [id, id])];
  const pick = (/** @type {string} */ model) => setQuery({ model });
  return html`
    <${SelectField} id="task-model" label=${d("columns.model")} value=${value} options=${options} onPick=${pick} />
  `;
}
