// The account's keys: their limits, and how they end.
import { html } from "html";
import { useState } from "preact/hooks";
import { get, patch, remove } from "../api.js";
import { Dialog } from "../dialog.js";
import { withForm } from "../dom.js";
import { showError } from "../errors.js";
import { t } from "../i18n.js";
import { formatCredits } from "../money.js";
import { account, showToast } from "../store.js";
import { Amount, d, Empty, RowButton, StateBadge, Time, View } from "./components.js";
import { usePages } from "./data.js";
import { NewKeyDialog } from "./dialogs.js";
import { KeyForm } from "./key_form.js";
import { PagedTable } from "./table.js";

/** @param {any} key @returns {string[]} */
function limits(key) {
  const found = [];
  if (key.cap) found.push(d("keys.limit.cap", { amount: formatCredits(key.cap) }));
  if (key.daily_cap) found.push(d("keys.limit.daily", { amount: formatCredits(key.daily_cap) }));
  if (key.in_flight_cap) found.push(d("keys.limit.in_flight", { amount: formatCredits(key.in_flight_cap) }));
  if (key.rate_per_minute) found.push(d("keys.limit.rate", { n: key.rate_per_minute }));
  if (key.concurrent_tasks) found.push(d("keys.limit.concurrent", { n: key.concurrent_tasks }));
  if (key.models) found.push(d("keys.limit.models", { names: key.models.join(", ") }));
  if (key.allowed_ips) found.push(d("keys.limit.ips", { names: key.allowed_ips.join(", ") }));
  return found;
}

/** @typedef {{kind: string, key?: any, made?: any[]}} DialogState */

export function Keys() {
  const pages = usePages("/v1/keys?limit=50");
  const [dialog, setDialog] = useState(/** @type {DialogState} */ ({ kind: "" }));
  const onClose = () => setDialog({ kind: "" });
  const onCreate = (/** @type {any} */ key) => {
    setDialog({ kind: "created", key });
    pages.reload();
  };
  /** @param {string} text @param {any} key */
  const announce = (text, key) => {
    showToast(d(text, { name: key.name }));
    pages.reload();
  };
  const onChange = (/** @type {any} */ key) => {
    onClose();
    announce("keys.was_changed", key);
  };
  const enable = async (/** @type {any} */ key) => {
    const reply = await patch(`/v1/keys/${key.id}`, { disabled: false });
    if (!reply.ok) return showError(reply);
    announce("keys.was_enabled", key);
  };
  /** @param {string} kind @param {any} key @param {string} madeKeys */
  const end = async (kind, key, madeKeys) => {
    const path = `/v1/keys/${key.id}`;
    const reply = await (kind === "delete"
      ? remove(`${path}?made_keys=${madeKeys}`)
      : patch(path, { disabled: true, made_keys: madeKeys }));
    if (!reply.ok) return showError(reply);
    announce(kind === "delete" ? "keys.was_deleted" : "keys.was_disabled", key);
  };
  /** Disabling a key that made none needs no question. @param {string} kind */
  const openEnd = (kind) => async (/** @type {any} */ key) => {
    const reply = await get(`/v1/keys?limit=200&made_by=${encodeURIComponent(key.id)}`);
    if (!reply.ok) return showError(reply);
    const made = reply.value.data.filter((/** @type {any} */ one) => one.status === "live");
    if (kind === "disable" && made.length === 0) return end(kind, key, "end");
    setDialog({ kind, key, made });
  };
  const open = (/** @type {string} */ kind) => (/** @type {any} */ key) => setDialog({ kind, key });
  const openForm = () => setDialog({ kind: "add" });
  const add = html`<button class="button main" data-new-key onClick=${openForm}>${d("keys.add")}</button>`;
  const empty = html`<${Empty} title=${d("keys.none")} text=${d("keys.none_text")} />`;
  const toggle = (/** @type {any} */ key) => (key.status === "disabled" ? enable(key) : openEnd("disable")(key));
  const all = columns({ onEdit: open("edit"), onToggle: toggle, onDelete: openEnd("delete") });
  return html`
    <${View} title=${d("views.keys")} about=${d("keys.about")} actions=${add}>
      <${PagedTable} pages=${pages} caption=${d("views.keys")} columns=${all} empty=${empty} />
      ${dialog.kind === "add" && html`<${KeyForm} onClose=${onClose} onSave=${onCreate} />`}
      ${dialog.kind === "edit" && html`<${KeyForm} of=${dialog.key} onClose=${onClose} onSave=${onChange} />`}
      ${dialog.kind === "created" && html`<${NewKeyDialog} of=${dialog.key} onClose=${onClose} />`}
      ${dialog.made && html`<${EndDialog} of=${dialog} onClose=${onClose} onConfirm=${end} />`}
    <//>
  `;
}

/**
 * Disable or delete a key, and choose what becomes of the keys that it made.
 * @param {{of: any, onClose: () => void, onConfirm: (kind: string, key: any, madeKeys: string) => void}} props
 */
function EndDialog({ of: { kind, key, made }, onClose, onConfirm }) {
  const own = key.shown === account.value?.key_shown ? d("keys.own") : "";
  const submit = withForm((form) => {
    onClose();
    onConfirm(kind, key, new FormData(form).has("keep") ? "keep" : "end");
  });
  return html`
    <${Dialog} title=${d(`keys.${kind}_title`, { name: key.name })} onClose=${onClose}>
      <form class="stack" onSubmit=${submit}>
        <p>${`${d(`keys.${kind}_text`)} ${own}`}</p>
        ${made.length > 0 && html`<${MadeKeys} keys=${made} />`}
        <footer>
          <button type="button" class="button bare" onClick=${onClose}>${t("app.cancel")}</button>
          <button class="button bad">${d(`keys.${kind}`)}</button>
        </footer>
      </form>
    <//>
  `;
}

/** @param {{keys: any[]}} props */
const MadeKeys = ({ keys }) => html`
  <div class="small" data-made-keys>
    <p>${d("keys.made")}</p>
    <ul>${keys.map((key) => html`<li>${key.name} <code>${key.shown}</code></li>`)}</ul>
    <label class="check"><input type="checkbox" name="keep" /> <span>${d("keys.keep_made")}</span></label>
  </div>
`;

/** @typedef {(key: any) => void} Act */

/** @param {{onEdit: Act, onToggle: Act, onDelete: Act}} actions @returns {import("./table.js").Column[]} */
const columns = (actions) => [
  {
    title: d("columns.name"),
    head: true,
    cell: (key) => html`<span>${key.name}</span><br /><code>${key.shown}</code>`,
  },
  { title: d("columns.status"), cell: (key) => html`<${StateBadge} state=${key.status} />` },
  { title: d("columns.scopes"), cell: (key) => html`<${Scopes} names=${key.scopes} />` },
  { title: d("columns.limits"), cell: (key) => html`<${Limits} lines=${limits(key)} />` },
  { title: d("columns.spent"), num: true, cell: (key) => html`<${Amount} money=${key.spent} />` },
  {
    title: d("columns.expires"),
    cell: (key) => (key.expires_at ? html`<${Time} seconds=${key.expires_at} />` : d("never")),
  },
  { title: d("columns.actions"), cell: (key) => html`<${Actions} of=${key} ...${actions} />` },
];

/** @param {{names: string[]}} props */
const Scopes = ({ names }) => html`<span class="chips">${names.map((name) => html`<code>${name}</code>`)}</span>`;

/** @param {{lines: string[]}} props */
const Limits = ({ lines }) => html`
  <span class="small">${lines.length ? lines.map((line) => html`<span class="line">${line}</span>`) : "–"}</span>
`;

/** @param {{of: any, onEdit: Act, onToggle: Act, onDelete: Act}} props */
function Actions({ of, onEdit, onToggle, onDelete }) {
  const verb = d(of.status === "disabled" ? "keys.enable" : "keys.disable");
  return html`
    <span class="row row-actions">
      <${RowButton} text=${d("keys.change")} name=${of.name} onClick=${() => onEdit(of)} />
      ${of.status !== "expired" && html`<${RowButton} text=${verb} name=${of.name} onClick=${() => onToggle(of)} />`}
      <${RowButton} text=${d("keys.delete")} name=${of.name} className="bad" onClick=${() => onDelete(of)} />
    </span>
  `;
}
