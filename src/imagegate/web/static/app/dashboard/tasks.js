// The account's tasks: a list with a filter in the address, and one of them in full.
import { useEffect, useState } from "preact/hooks";
import { html } from "html";
import { local } from "../api.js";
import { useLoad, usePages } from "./load.js";
import { d, Empty, List, plain, State, View, When } from "./parts.js";
import { filter, link, place } from "./place.js";
import { Task } from "./task.js";

const STATES = ["pending", "processing", "completed", "failed", "cancelled"];
const TYPING_MS = 300;

/** @param {{id: string}} props */
export const Tasks = ({ id }) => (id ? html`<${Task} id=${id} key=${id} />` : html`<${All} />`);

/** @type {() => import("./parts.js").Column[]} */
const columns = () => [
  { name: "picture", title: d("columns.picture"), cell: (row) => (row.thumbnail_url ? html`<img class="thumb" src=${local(row.thumbnail_url)} alt="" loading="lazy" width="56" height="56" />` : html`<span class="thumb" aria-hidden="true"></span>`) },
  { name: "task", title: d("columns.task"), head: true, cell: (row) => html`<a href=${link("tasks", row.id)}><code>${row.id}</code></a>` },
  { name: "created", title: d("columns.created"), cell: (row) => html`<${When} seconds=${row.created_at} />` },
  { name: "model", title: d("columns.model"), cell: (row) => row.model },
  { name: "status", title: d("columns.status"), cell: (row) => html`<${State} word=${row.status} />${["pending", "processing"].includes(row.status) ? html` <span class="small">${row.progress}%</span>` : ""}` },
  { name: "images", title: d("columns.images"), num: true, cell: (row) => row.result_count },
  { name: "credits", title: d("columns.credits"), num: true, cell: (row) => plain(row.credits_used) },
];

function All() {
  const wanted = (/** @type {string} */ name) => place.value.query.get(name) ?? "";
  const asked = new URLSearchParams({ status: wanted("status"), model: wanted("model"), q: wanted("q"), limit: "25" });
  const pages = usePages(`/v1/tasks?${asked}`);
  const filtered = Boolean(wanted("status") || wanted("model") || wanted("q"));
  const empty = filtered
    ? html`<${Empty} title=${d("tasks.no_match")} text=${d("tasks.no_match_text")}><button class="button" onClick=${() => filter({ status: "", model: "", q: "" })}>${d("tasks.clear")}</button></${Empty}>`
    : html`<${Empty} title=${d("tasks.none")} text=${d("tasks.none_text")}><a class="button main" href="/#playground">${d("playground")}</a></${Empty}>`;
  const actions = html`<button class="button" disabled=${pages.busy} onClick=${pages.again}>${d("reload")}</button>`;
  return html`<${View} title=${d("views.tasks")} about=${d("tasks.about")} actions=${actions}>
    <${Filters} wanted=${wanted} />
    <${List} pages=${pages} caption=${d("views.tasks")} columns=${columns()} empty=${empty} />
  </${View}>`;
}

/** @param {{wanted: (name: string) => string}} props */
function Filters({ wanted }) {
  const models = useLoad("/v1/models");
  const [text, setText] = useState(wanted("q"));
  useEffect(() => {
    const timer = setTimeout(() => text !== wanted("q") && filter({ q: text }), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  useEffect(() => setText(wanted("q")), [wanted("q")]);
  const choose = (/** @type {string} */ name) => (/** @type {any} */ event) => filter({ [name]: event.target.value });
  return html`<form class="filters" role="search" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
    <div class="field wide"><label for="task-q">${d("tasks.q")}</label><input class="input" id="task-q" type="search" maxlength="200" value=${text} onInput=${(/** @type {any} */ event) => setText(event.target.value)} /></div>
    <div class="field"><label for="task-status">${d("columns.status")}</label><select class="input" id="task-status" onChange=${choose("status")}>
      <option value="" selected=${!wanted("status")}>${d("all")}</option>${STATES.map((one) => html`<option value=${one} selected=${one === wanted("status")}>${d(`tasks.filter.${one}`)}</option>`)}</select></div>
    <div class="field"><label for="task-model">${d("columns.model")}</label><select class="input" id="task-model" onChange=${choose("model")}>
      <option value="" selected=${!wanted("model")}>${d("all")}</option>${(models.value?.data ?? []).map((/** @type {any} */ one) => html`<option value=${one.id} selected=${one.id === wanted("model")}>${one.id}</option>`)}</select></div>
  </form>`;
}
