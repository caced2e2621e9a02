// Deliveries with every attempt, a test, and the secret that signs them.
import { useState } from "preact/hooks";
import { html } from "html";
import { t } from "../i18n.js";
import { call } from "../api.js";
import { toast } from "../store.js";
import { usePages } from "./load.js";
import { complain, Confirm, d, Dialog, Empty, Facts, Fault, Secret, State, Table, View, Waiting, When, worded } from "./parts.js";
import { link } from "./place.js";

export function Webhooks() {
  const pages = usePages("/v1/webhooks/deliveries?limit=20");
  const actions = html`<button class="button" disabled=${pages.busy} onClick=${pages.again}>${d("reload")}</button><${SecretButtons} />`;
  return html`<${View} title=${d("views.webhooks")} about=${d("webhooks.about")} actions=${actions}>
    <${Test} sent=${pages.again} />
    ${pages.fault && html`<${Fault} fault=${pages.fault} again=${pages.again} />`}
    ${!pages.rows && !pages.fault && html`<${Waiting} />`}
    ${pages.rows?.length === 0 && html`<${Empty} title=${d("webhooks.none")} text=${d("webhooks.none_text")} />`}
    ${pages.rows?.map((one) => html`<${Hook} key=${one.id} hook=${one} again=${pages.again} />`)}
    ${pages.more && html`<div class="row"><button class="button" disabled=${pages.busy} onClick=${pages.next}>${d("more")}</button></div>`}
  </${View}>`;
}

/** @param {{sent: () => void}} props */
function Test({ sent }) {
  const [fault, setFault] = useState("");
  const send = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const reply = await call("/v1/webhooks/test", { body: { callback_url: String(form.get("url")).trim() } });
    setFault(reply.ok ? "" : reply.status ? reply.message : t("app.errors.network"));
    if (!reply.ok) return;
    toast(d("webhooks.test_sent"));
    sent();
  };
  return html`<form class="filters" onSubmit=${send}>
    <div class="field wide"><label for="hook-url">${d("webhooks.test_url")}</label>
      <input class="input" id="hook-url" name="url" type="url" required placeholder="https://" aria-invalid=${fault ? "true" : "false"} aria-describedby="hook-fault" />
      <p class="fault" id="hook-fault" role="alert">${fault}</p></div>
    <button class="button">${d("webhooks.test")}</button>
  </form>`;
}

function SecretButtons() {
  const [shown, setShown] = useState(/** @type {any} */ (null));
  const [asking, setAsking] = useState(false);
  const show = async (/** @type {string} */ path, /** @type {string} */ method) => {
    const reply = await call(path, { method });
    if (reply.ok) setShown(reply.value);
    else complain(reply);
  };
  return html`<button class="button" onClick=${() => show("/v1/webhooks/secret", "GET")}>${d("webhooks.show")}</button>
    <button class="button" onClick=${() => setAsking(true)}>${d("webhooks.rotate")}</button>
    ${asking && html`<${Confirm} title=${d("webhooks.rotate_title")} text=${d("webhooks.rotate_text")} verb=${d("webhooks.rotate")} act=${() => show("/v1/webhooks/secret/rotate", "POST")} close=${() => setAsking(false)} />`}
    ${shown && html`<${Dialog} title=${d("webhooks.secret")} close=${() => setShown(null)}>
      <${Secret} label=${d("webhooks.version", { n: shown.version })} value=${shown.secret} about=${d("webhooks.keep")} />
      ${shown.previous && html`<p class="small soft">${d("webhooks.previous")} <${When} seconds=${shown.previous.expires_at} /></p>`}
      <footer><button class="button main" onClick=${() => setShown(null)}>${t("app.close")}</button></footer>
    </${Dialog}>`}`;
}

/** @param {{hook: any, again: () => void}} props */
function Hook({ hook, again }) {
  const replay = async () => {
    const reply = await call(`/v1/webhooks/deliveries/${hook.id}/replay`, { method: "POST" });
    if (!reply.ok) return complain(reply);
    toast(d("webhooks.replayed"));
    again();
  };
  return html`<article class="card hook" data-row=${hook.id} aria-label=${hook.id}>
    <header><div class="row"><${State} word=${hook.status} /><code>${hook.url}</code></div>
      ${hook.status !== "waiting" && html`<button class="button tight" onClick=${replay}>${d("webhooks.replay")}<span class="unseen"> ${hook.id}</span></button>`}</header>
    <${Facts} pairs=${[
      [d("webhooks.id"), html`<code>${hook.id}</code>`],
      [d("columns.task"), hook.task_id ? html`<a href=${link("tasks", hook.task_id)}><code>${hook.task_id}</code></a>` : d("webhooks.is_test")],
      [d("columns.created"), html`<${When} seconds=${hook.created_at} />`],
      [d("webhooks.next"), hook.next_attempt_at && html`<${When} seconds=${hook.next_attempt_at} />`],
      [d("webhooks.reason"), hook.reason && worded("webhooks.reasons", hook.reason)],
      [d("webhooks.replays"), hook.replays || undefined],
    ]} />
    <details><summary class="small">${d("webhooks.request")}</summary><${Sent} hook=${hook} /></details>
    ${hook.attempts.length > 0 && html`<details><summary class="small">${d("webhooks.attempts", { n: hook.attempts.length })}</summary><${Tries} rows=${hook.attempts} /></details>`}
  </article>`;
}

/** What each attempt sends; time and signature are its own. @param {{hook: any}} props */
const Sent = ({ hook }) => html`<div class="code"><pre tabindex="0"><code data-request>${`POST ${hook.url}
content-type: application/json
webhook-id: ${hook.id}
webhook-timestamp: ${hook.attempts.at(-1)?.started_at ?? "…"}
webhook-signature: v1,…

${hook.body}`}</code></pre></div>`;

/** @param {{rows: any[]}} props */
const Tries = ({ rows }) => html`<${Table} caption=${d("tasks.attempts")} rows=${[...rows].reverse()} id=${(/** @type {any} */ row) => String(row.number)} columns=${[
  { name: "attempt", title: d("columns.attempt"), head: true, cell: (/** @type {any} */ row) => row.number },
  { name: "started", title: d("columns.started"), cell: (/** @type {any} */ row) => html`<${When} seconds=${row.started_at} />` },
  { name: "duration", title: d("columns.duration"), num: true, cell: (/** @type {any} */ row) => (row.duration_ms === null ? "…" : `${row.duration_ms} ms`) },
  { name: "answer", title: d("webhooks.answer"), cell: (/** @type {any} */ row) => html`<span>${row.status_code ?? row.error ?? "–"}</span>${row.retry_after && html`<span class="line small">Retry-After: ${row.retry_after}</span>`}${row.excerpt && html`<pre class="excerpt">${row.excerpt}</pre>`}` },
]} />`;
