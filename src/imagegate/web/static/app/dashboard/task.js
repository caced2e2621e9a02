// One task: its request beside what was made of it, its hold beside its charge, and each attempt.
import { useEffect, useState } from "preact/hooks";
import { html } from "html";
import { call, local } from "../api.js";
import { number } from "../i18n.js";
import { account, refreshBalance, toast } from "../store.js";
import { useLoad } from "./load.js";
import { complain, d, Facts, Loaded, plain, State, Table, View, When } from "./parts.js";
import { link } from "./place.js";

const EVERY_S = 3;

/** @param {{id: string}} props */
export function Task({ id }) {
  const [every, setEvery] = useState(EVERY_S);
  const load = useLoad(`/v1/tasks/${encodeURIComponent(id)}?include=request,outputs,attempts`, every);
  const ended = ["completed", "failed"].includes(load.value?.status) || load.fault?.status === 404;
  useEffect(() => setEvery(ended ? 0 : EVERY_S), [ended]);
  const back = html`<a class="button tight" href=${link("tasks")}>${d("tasks.back")}</a>`;
  return html`<${View} title=${d("columns.task")} about=${html`<code>${id}</code>`} actions=${back}>
    <${Loaded} load=${load}>${(/** @type {any} */ task) => html`<${Detail} task=${task} again=${load.again} />`}</${Loaded}>
  </${View}>`;
}

/** @param {{task: any, again: () => void}} props */
function Detail({ task, again }) {
  const cancel = async () => {
    const reply = await call(`/v1/tasks/${task.id}/cancel`, { method: "POST" });
    if (!reply.ok) return complain(reply);
    toast(d("tasks.cancelled"));
    again();
    refreshBalance();
  };
  const word = task.error?.code === "request_cancelled" ? "cancelled" : task.status;
  return html`
    <div class="row"><${State} word=${word} />${task.status === "processing" && html`<span>${task.progress}%</span>`}
      ${task.task_info.can_cancel && html`<button class="button tight bad" onClick=${cancel}>${d("tasks.cancel")}</button>`}
      ${account.value?.scopes.includes("admin") && html`<a class="button tight" href=${link("costs", task.id)}>${d("views.costs")}</a>`}
      <a class="button tight" href=${link("credits", "", { task_id: task.id })}>${d("tasks.ledger")}</a></div>
    ${task.error && html`<div class="note sun"><p><strong>${task.error.code}</strong> ${task.error.message}</p><p class="small">${d("tasks.not_charged")}</p></div>`}
    <${Outputs} task=${task} />
    <div class="halves"><section class="card stack"><h3>${d("tasks.request")}</h3><${Request} request=${task.request} /></section>
      <section class="card stack"><h3>${d("tasks.money")}</h3><${Money} task=${task} /></section></div>
    <section class="stack"><h3>${d("tasks.compare")}</h3><${Compare} task=${task} /></section>
    <section class="stack"><h3>${d("tasks.attempts")}</h3><${Attempts} rows=${task.attempts ?? []} /></section>`;
}

/** @param {{task: any}} props */
function Outputs({ task }) {
  if (!task.result_data) return null;
  const alive = task.results_expire_at * 1000 > Date.now();
  return html`<section class="stack"><h3>${d("tasks.outputs")}</h3><ul class="outputs">${task.result_data.map((/** @type {any} */ one, /** @type {number} */ at) => {
    const name = d("tasks.output", { n: at + 1 });
    const picture = one.thumbnail_url ?? (alive ? one.image_url : "");
    const shown = picture ? html`<img src=${local(picture)} alt=${name} loading="lazy" />` : html`<span class="blank">${d("tasks.gone")}</span>`;
    return html`<li class="stack">${alive ? html`<a href=${local(one.image_url)} target="_blank" rel="noopener">${shown}</a>` : shown}
      <span class="small">${one.width} × ${one.height} · ${one.mime_type} · ${number(Math.ceil(one.bytes / 1024))} KB</span></li>`;
  })}</ul><p class="small soft">${alive ? d("tasks.until") : d("tasks.ended")} <${When} seconds=${task.results_expire_at} /></p></section>`;
}

/** @param {{request: any}} props */
const Request = ({ request }) => html`<p class="prompt" tabindex="0">${request.prompt}</p><${Facts} pairs=${[
  [d("columns.model"), request.model],
  [d("tasks.field.references"), request.image_urls.length ? html`${request.image_urls.map((/** @type {string} */ one) => html`<span class="line"><code>${one}</code></span>`)}` : undefined],
  [d("tasks.field.mask"), request.mask_url && html`<code>${request.mask_url}</code>`],
  [d("tasks.field.callback"), request.callback_url && html`<code>${request.callback_url}</code>`],
  [d("tasks.field.background"), request.background],
  [d("tasks.field.compression"), request.output_format === "png" ? undefined : request.output_compression],
]} />`;

/** @param {{task: any}} props */
const Money = ({ task: { usage, billing, created, duration } }) => html`<${Facts} pairs=${[
  [d("tasks.field.quoted"), d("credits", { n: plain(billing.reserved_credits) })],
  [d("tasks.field.billed"), usage.credits_used === undefined ? d("tasks.not_yet") : d("credits", { n: plain(billing.charged_credits) })],
  [d("tasks.field.returned"), usage.credits_used === undefined ? undefined : d("credits", { n: plain(billing.reserved_credits - billing.charged_credits) })],
  [d("tasks.field.rule"), usage.billing_rule],
  [d("tasks.field.prices"), usage.price_version],
  [d("columns.created"), html`<${When} seconds=${created} />`],
  [d("columns.duration"), duration === undefined ? undefined : d("seconds", { n: number(duration) })],
  ...Object.entries(usage.tokens ?? {}).map(([name, count]) => [d(`tasks.tokens.${name}`), number(/** @type {number} */ (count))]),
]} />`;

/** @param {{task: any}} props */
function Compare({ task: { request, result_data: made = [] } }) {
  const all = (/** @type {(one: any) => string} */ of) => [...new Set(made.map(of))].join(", ") || "–";
  const rows = [
    { id: "size", asked: [request.size, request.resolution].filter(Boolean).join(" · "), got: all((one) => `${one.width} × ${one.height}`) },
    { id: "quality", asked: request.quality ?? "–", got: made.some((/** @type {any} */ one) => one.quality) ? all((one) => one.quality ?? "–") : d("tasks.not_told") },
    { id: "n", asked: request.n, got: made.length },
    { id: "format", asked: request.output_format, got: all((one) => one.mime_type.replace("image/", "")) },
  ];
  return html`<${Table} caption=${d("tasks.compare")} rows=${rows} columns=${[
    { name: "property", title: d("columns.property"), head: true, cell: (/** @type {any} */ row) => d(`tasks.field.${row.id}`) },
    { name: "asked", title: d("columns.asked"), cell: (/** @type {any} */ row) => row.asked },
    { name: "got", title: d("columns.got"), cell: (/** @type {any} */ row) => row.got },
  ]} />`;
}

/** @param {{rows: any[]}} props */
function Attempts({ rows }) {
  if (!rows.length) return html`<p class="soft small quiet">${d("tasks.no_attempts")}</p>`;
  return html`<${Table} caption=${d("tasks.attempts")} rows=${rows} id=${(/** @type {any} */ row) => String(row.attempt)} columns=${[
    { name: "attempt", title: d("columns.attempt"), head: true, cell: (/** @type {any} */ row) => row.attempt },
    { name: "started", title: d("columns.started"), cell: (/** @type {any} */ row) => html`<${When} seconds=${row.started} />` },
    { name: "duration", title: d("columns.duration"), num: true, cell: (/** @type {any} */ row) => (row.duration === null ? "…" : d("seconds", { n: number(row.duration) })) },
    { name: "outcome", title: d("columns.outcome"), cell: (/** @type {any} */ row) => html`<${State} word=${row.outcome} />` },
    { name: "charged", title: d("columns.charged"), cell: (/** @type {any} */ row) => d(row.charged ? "yes" : "no") },
  ]} />`;
}
