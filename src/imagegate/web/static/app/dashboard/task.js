// One task: its request beside its result, its hold beside its charge, and each attempt.
import { html } from "html";
import { useEffect, useState } from "preact/hooks";
import { isFinal, localPath, post, remove, taskState } from "../api.js";
import { askConfirm } from "../confirm.js";
import { withThumbnailRetry } from "../dom.js";
import { adviceFor, chargeText, errorText, showError } from "../errors.js";
import { formatBytes, formatNumber } from "../i18n.js";
import { isOperator, refreshBalance, showToast } from "../store.js";
import { attemptColumn, durationColumn, NoAttempts, startedColumn } from "./attempts.js";
import { d, Facts, formatCreditNumber, Loader, StateBadge, Time, View, valueText } from "./components.js";
import { useData } from "./data.js";
import { linkTo } from "./router.js";
import { Table } from "./table.js";

const INTERVAL_S = 3;

/** @param {{id: string}} props */
export function Task({ id }) {
  const [intervalS, setIntervalS] = useState(INTERVAL_S);
  const task = useData(`/v1/tasks/${encodeURIComponent(id)}?include=request,outputs,attempts`, intervalS);
  const ended = isFinal(task.value?.status) || task.error?.status === 404;
  useEffect(() => setIntervalS(ended ? 0 : INTERVAL_S), [ended]);
  const back = html`<a class="button tight" href=${linkTo("tasks")}>${d("tasks.back")}</a>`;
  return html`
    <${View} title=${d("columns.task")} about=${html`<code>${id}</code>`} actions=${back}>
      <${Loader} data=${task} view=${Details} reload=${task.reload} />
    <//>
  `;
}

/** @param {{value: any, reload: () => void}} props */
const Details = ({ value: task, reload }) => html`
  <${Status} task=${task} reload=${reload} />
  ${task.error && html`<${TaskError} task=${task} />`}
  ${task.result_data && html`<${Results} task=${task} />`}
  <div class="halves">
    <section class="card stack"><h3>${d("tasks.request")}</h3><${Request} request=${task.request} /></section>
    <section class="card stack"><h3>${d("tasks.billing")}</h3><${Billing} task=${task} /></section>
  </div>
  <section class="stack"><h3>${d("tasks.compare")}</h3><${Comparison} task=${task} /></section>
  <section class="stack"><h3>${d("tasks.attempts")}</h3><${Attempts} rows=${task.attempts ?? []} /></section>
`;

/** @param {{task: any, reload: () => void}} props */
function Status({ task, reload }) {
  const cancel = async () => {
    const reply = await post(`/v1/tasks/${task.id}/cancel`);
    if (!reply.ok) return showError(reply);
    showToast(d("tasks.was_cancelled"));
    reload();
    refreshBalance();
  };
  const deleteTask = async () => {
    const question = { title: d("tasks.delete_title"), text: d("tasks.delete_text"), confirm: d("tasks.delete") };
    if (!(await askConfirm({ ...question, danger: true }))) return;
    const reply = await remove(`/v1/tasks/${task.id}`);
    if (!reply.ok) return showError(reply);
    showToast(d("tasks.was_deleted"));
    location.hash = linkTo("tasks");
  };
  const cancelButton = html`<button class="button tight bad" onClick=${cancel}>${d("tasks.cancel")}</button>`;
  const costs = linkTo("work", task.id);
  const ledger = linkTo("credits", "", { task_id: task.id });
  return html`
    <div class="row" data-task-actions>
      <${StateBadge} state=${taskState(task)} />
      ${task.status === "processing" && html`<span>${task.progress}%</span>`}
      ${task.task_info.can_cancel && cancelButton}
      <${PlaygroundLinks} task=${task} />
      ${isOperator() && html`<a class="button tight" href=${costs}>${d("costs.title")}</a>`}
      <a class="button tight" href=${ledger}>${d("tasks.ledger")}</a>
      ${isFinal(task.status) && html`<${DeleteButton} onClick=${deleteTask} />`}
    </div>
  `;
}

/** @param {{onClick: () => void}} props */
const DeleteButton = ({ onClick }) =>
  html`<button class="button tight bad" onClick=${onClick}>${d("tasks.delete")}</button>`;

/** To run it again, where the price stands on the button, or to change it first. @param {{task: any}} props */
const PlaygroundLinks = ({ task }) => html`
  <a class="button tight main" href=${playgroundLink("task", task)}>${d("tasks.in_playground")}</a>
  <a class="button tight" href=${playgroundLink("edit", task)}>${d("tasks.edit")}</a>
`;

/** @param {"task" | "edit"} how @param {any} task */
const playgroundLink = (how, { id, model }) =>
  `/models/${encodeURIComponent(model)}#${new URLSearchParams({ [how]: id })}`;

/** @param {{task: any}} props */
const TaskError = ({ task }) => html`
  <div class="note sun">
    <p><strong>${errorText(task.error)}</strong> ${adviceFor(task.error)}</p>
    <p class="small">${chargeText(task)} <code>${task.error.code}</code></p>
  </div>
`;

/** @param {{task: any}} props */
function Results({ task }) {
  const available = task.results_expire_at * 1000 > Date.now();
  const result = (/** @type {any} */ image, /** @type {number} */ index) =>
    html`<${Result} image=${image} name=${d("tasks.result", { n: index + 1 })} available=${available} />`;
  return html`
    <section class="stack">
      <h3>${d("tasks.results")}</h3>
      <ul class="outputs">${task.result_data.map(result)}</ul>
      <p class="small soft">
        ${d(available ? "tasks.available_until" : "tasks.expired_at")} <${Time} seconds=${task.results_expire_at} />
      </p>
    </section>
  `;
}

/** @param {{image: any, name: string, available: boolean}} props */
function Result({ image, name, available }) {
  const original = localPath(image.image_url);
  const source = image.thumbnail_url ? localPath(image.thumbnail_url) : available && original;
  const preview = source
    ? html`<img src=${source} onError=${withThumbnailRetry(available ? original : "")} alt=${name} loading="lazy" />`
    : html`<span class="blank">${d("tasks.file_expired")}</span>`;
  return html`
    <li class="stack">
      ${available ? html`<a href=${original} target="_blank" rel="noopener">${preview}</a>` : preview}
      <span class="small">${image.width} × ${image.height} · ${image.mime_type} · ${formatBytes(image.bytes)}</span>
    </li>
  `;
}

/** @param {{request: any}} props */
function Request({ request }) {
  const { model, image_urls, mask_url, callback_url, background, output_format, output_compression } = request;
  const urls = image_urls.map((/** @type {string} */ url) => html`<span class="line"><code>${url}</code></span>`);
  /** @type {[string, any][]} */
  const pairs = [
    [d("columns.model"), model],
    [d("tasks.field.references"), urls.length ? html`${urls}` : undefined],
    [d("tasks.field.mask"), mask_url && html`<code>${mask_url}</code>`],
    [d("tasks.field.callback"), callback_url && html`<code>${callback_url}</code>`],
    [d("tasks.field.background"), background && valueText("values", background)],
    [d("tasks.field.compression"), output_format === "png" ? undefined : output_compression],
  ];
  return html`
    <p class="prompt" tabindex="0">${request.prompt}</p>
    <${Facts} pairs=${pairs} />
  `;
}

/** @param {{task: any}} props */
function Billing({ task: { usage, billing, created, duration } }) {
  const credits = (/** @type {number} */ value) => d("credits", { n: formatCreditNumber(value) });
  const { reserved_credits: reserved, charged_credits: charged } = billing;
  const settled = usage.credits_used !== undefined;
  const tokens = /** @type {[string, number][]} */ (Object.entries(usage.tokens ?? {}));
  /** @type {[string, any][]} */
  const pairs = [
    [d("tasks.field.quoted"), credits(reserved)],
    [d("tasks.field.billed"), settled ? credits(charged) : d("tasks.not_yet")],
    [d("tasks.field.released"), settled ? credits(reserved - charged) : undefined],
    [d("tasks.field.billing_rule"), usage.billing_rule && valueText("values", usage.billing_rule)],
    [d("tasks.field.price_version"), usage.price_version],
    [d("columns.created"), html`<${Time} seconds=${created} />`],
    [d("columns.duration"), duration === undefined ? undefined : d("seconds", { n: formatNumber(duration) })],
    ...tokens.map(([name, count]) => /** @type {[string, any]} */ ([d(`tasks.tokens.${name}`), formatNumber(count)])),
  ];
  return html`<${Facts} pairs=${pairs} />`;
}

/** @param {string | null | undefined} quality */
const qualityText = (quality) => (quality ? valueText("values", quality) : "–");

/** @param {{task: any}} props */
function Comparison({ task: { request, result_data: images = [] } }) {
  const all = (/** @type {(image: any) => string} */ of) => [...new Set(images.map(of))].join(", ") || "–";
  const qualityReported = images.some((/** @type {any} */ image) => image.quality);
  const rows = [
    {
      id: "size",
      requested: [request.size && valueText("values", request.size), request.resolution].filter(Boolean).join(" · "),
      actual: all((image) => `${image.width} × ${image.height}`),
    },
    {
      id: "quality",
      requested: qualityText(request.quality),
      actual: qualityReported ? all((image) => qualityText(image.quality)) : d("tasks.not_reported"),
    },
    { id: "n", requested: request.n, actual: images.length },
    { id: "format", requested: request.output_format, actual: all((image) => image.mime_type.replace("image/", "")) },
  ];
  return html`<${Table} caption=${d("tasks.compare")} rows=${rows} columns=${comparisonColumns()} />`;
}

/** @returns {import("./table.js").Column[]} */
const comparisonColumns = () => [
  { title: d("columns.property"), head: true, cell: (row) => d(`tasks.field.${row.id}`) },
  { title: d("columns.requested"), cell: (row) => row.requested },
  { title: d("columns.actual"), cell: (row) => row.actual },
];

/** @param {any} row */
const attemptId = (row) => String(row.attempt);

/** @param {{rows: any[]}} props */
function Attempts({ rows }) {
  if (!rows.length) return html`<${NoAttempts} />`;
  return html`<${Table} caption=${d("tasks.attempts")} rows=${rows} id=${attemptId} columns=${attemptColumns()} />`;
}

/** @returns {import("./table.js").Column[]} */
const attemptColumns = () => [
  attemptColumn(),
  startedColumn(),
  durationColumn(),
  { title: d("columns.outcome"), cell: (row) => html`<${StateBadge} state=${row.outcome} />` },
  { title: d("columns.charged"), cell: (row) => d(row.charged ? "yes" : "no") },
];
