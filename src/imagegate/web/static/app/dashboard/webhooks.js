// Deliveries with every attempt, a test event, and the secret that signs them.
import { html } from "html";
import { useState } from "preact/hooks";
import { get, post } from "../api.js";
import { askConfirm } from "../confirm.js";
import { withForm } from "../dom.js";
import { errorText, showError } from "../errors.js";
import { TextField } from "../fields.js";
import { showToast } from "../store.js";
import { d, Empty, Facts, ReloadButton, RowButton, StateBadge, TaskLink, Time, View, valueText } from "./components.js";
import { usePages } from "./data.js";
import { Secret, SecretDialog } from "./dialogs.js";
import { PagedList, Table } from "./table.js";

export function Webhooks() {
  const pages = usePages("/v1/webhooks/deliveries?limit=20");
  const actions = html`<${ReloadButton} pages=${pages} /><${SecretButtons} />`;
  const empty = html`<${Empty} title=${d("webhooks.none")} text=${d("webhooks.none_text")} />`;
  const delivery = (/** @type {any} */ row) =>
    html`<${Delivery} key=${row.id} delivery=${row} onReplay=${pages.reload} />`;
  return html`
    <${View} title=${d("views.webhooks")} about=${d("webhooks.about")} actions=${actions}>
      <${TestForm} onSend=${pages.reload} />
      <${PagedList} pages=${pages} empty=${empty}>${pages.rows?.map(delivery)}<//>
    <//>
  `;
}

/** @param {{onSend: () => void}} props */
function TestForm({ onSend }) {
  const [error, setError] = useState("");
  const send = withForm(async (form) => {
    const url = String(new FormData(form).get("url")).trim();
    const reply = await post("/v1/webhooks/test", { callback_url: url });
    setError(reply.ok ? "" : errorText(reply));
    if (!reply.ok) return;
    showToast(d("webhooks.test_sent"));
    onSend();
  });
  return html`
    <form class="filters" onSubmit=${send}>
      <${TextField}
        id="hook-url"
        className="wide"
        label=${d("webhooks.test_url")}
        name="url"
        type="url"
        required
        placeholder="https://"
        error=${error}
      />
      <button class="button">${d("webhooks.test")}</button>
    </form>
  `;
}

function SecretButtons() {
  const [secret, setSecret] = useState(/** @type {any} */ (null));
  const show = async (/** @type {Promise<import("../api.js").Reply>} */ request) => {
    const reply = await request;
    if (reply.ok) setSecret(reply.value);
    else showError(reply);
  };
  const read = () => show(get("/v1/webhooks/secret"));
  const rotate = async () => {
    const question = {
      title: d("webhooks.rotate_title"),
      text: d("webhooks.rotate_text"),
      confirm: d("webhooks.rotate"),
    };
    if (await askConfirm(question)) await show(post("/v1/webhooks/secret/rotate"));
  };
  return html`
    <button class="button" onClick=${read}>${d("webhooks.show")}</button>
    <button class="button" onClick=${rotate}>${d("webhooks.rotate")}</button>
    ${secret && html`<${SigningSecret} of=${secret} onClose=${() => setSecret(null)} />`}
  `;
}

/** @param {{of: any, onClose: () => void}} props */
const SigningSecret = ({ of, onClose }) => html`
  <${SecretDialog} title=${d("webhooks.secret")} onClose=${onClose}>
    <${Secret} label=${d("webhooks.version", { n: of.version })} value=${of.secret} about=${d("webhooks.keep")} />
    ${of.previous && html`<${PreviousSecret} expiresAt=${of.previous.expires_at} />`}
  <//>
`;

/** @param {{expiresAt: number}} props */
const PreviousSecret = ({ expiresAt }) => html`
  <p class="small soft">${d("webhooks.previous")} <${Time} seconds=${expiresAt} /></p>
`;

/** @param {{delivery: any, onReplay: () => void}} props */
function Delivery({ delivery, onReplay }) {
  const { id, url, status, attempts } = delivery;
  const replay = async () => {
    const reply = await post(`/v1/webhooks/deliveries/${id}/replay`);
    if (!reply.ok) return showError(reply);
    showToast(d("webhooks.replayed"));
    onReplay();
  };
  const replayText = d("webhooks.replay");
  return html`
    <article class="card hook" data-row=${id} aria-label=${id}>
      <header>
        <div class="row"><${StateBadge} state=${status} /><code>${url}</code></div>
        ${status !== "waiting" && html`<${RowButton} text=${replayText} name=${id} onClick=${replay} />`}
      </header>
      <${Facts} pairs=${facts(delivery)} />
      <details><summary class="small">${d("webhooks.request")}</summary><${Request} delivery=${delivery} /></details>
      ${attempts.length > 0 && html`<${Attempts} attempts=${attempts} />`}
    </article>
  `;
}

/** @param {any} delivery @returns {[string, any][]} */
const facts = ({ id, task_id, created_at, next_attempt_at, reason, replays }) => [
  [d("webhooks.id"), html`<code>${id}</code>`],
  [d("columns.task"), task_id ? html`<${TaskLink} id=${task_id} />` : d("webhooks.is_test")],
  [d("columns.created"), html`<${Time} seconds=${created_at} />`],
  [d("webhooks.next"), next_attempt_at && html`<${Time} seconds=${next_attempt_at} />`],
  [d("webhooks.reason"), reason && valueText("webhooks.reasons", reason)],
  [d("webhooks.replays"), replays || undefined],
];

/** What each attempt sends; time and signature are its own. @param {{delivery: any}} props */
function Request({ delivery: { id, url, body, attempts } }) {
  const text = [
    `POST ${url}`,
    "content-type: application/json",
    `webhook-id: ${id}`,
    `webhook-timestamp: ${attempts.at(-1)?.started_at ?? "…"}`,
    "webhook-signature: v1,…",
    "",
    body,
  ].join("\n");
  return html`<div class="code"><pre tabindex="0"><code data-request>${text}</code></pre></div>`;
}

/** @param {any} row */
const numberOf = (row) => row.number;

/** Newest first. @param {{attempts: any[]}} props */
function Attempts({ attempts }) {
  const rows = [...attempts].reverse();
  return html`
    <details>
      <summary class="small">${d("webhooks.attempts", { n: rows.length })}</summary>
      <${Table} caption=${d("tasks.attempts")} rows=${rows} id=${numberOf} columns=${attemptColumns()} />
    </details>
  `;
}

/** @returns {import("./table.js").Column[]} */
const attemptColumns = () => [
  { title: d("columns.attempt"), head: true, cell: numberOf },
  { title: d("columns.started"), cell: (row) => html`<${Time} seconds=${row.started_at} />` },
  {
    title: d("columns.duration"),
    num: true,
    cell: (row) => (row.duration_ms === null ? "…" : `${row.duration_ms} ms`),
  },
  { title: d("webhooks.response"), cell: (row) => html`<${Response} attempt=${row} />` },
];

/** @param {{attempt: any}} props */
const Response = ({ attempt: { status_code, error, retry_after, excerpt } }) => html`
  <span>${status_code ?? error ?? "–"}</span>
  ${retry_after && html`<span class="line small">Retry-After: ${retry_after}</span>`}
  ${excerpt && html`<pre class="excerpt">${excerpt}</pre>`}
`;
