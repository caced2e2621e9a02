// The account's keys: their limits, and how they end.
import { html } from "html";
import { useState } from "preact/hooks";
import { patch, remove } from "../api.js";
import { showError } from "../errors.js";
import { formatCredits } from "../money.js";
import { account, showToast } from "../store.js";
import { Amount, d, Empty, RowButton, StateBadge, Time, View } from "./components.js";
import { usePages } from "./data.js";
import { ConfirmDialog, NewKeyDialog } from "./dialogs.js";
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

export function Keys() {
  const pages = usePages("/v1/keys?limit=50");
  const [dialog, setDialog] = useState(/** @type {{kind: string, key?: any}} */ ({ kind: "" }));
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
  const toggle = async (/** @type {any} */ key) => {
    const disabled = key.status !== "disabled";
    const reply = await patch(`/v1/keys/${key.id}`, { disabled });
    if (!reply.ok) return showError(reply);
    announce(disabled ? "keys.was_disabled" : "keys.was_enabled", key);
  };
  const deleteKey = async () => {
    const reply = await remove(`/v1/keys/${dialog.key.id}`);
    if (!reply.ok) return showError(reply);
    announce("keys.was_deleted", dialog.key);
  };
  const open = (/** @type {string} */ kind) => (/** @type {any} */ key) => setDialog({ kind, key });
  const openForm = () => setDialog({ kind: "add" });
  const add = html`<button class="button main" data-new-key onClick=${openForm}>${d("keys.add")}</button>`;
  const empty = html`<${Empty} title=${d("keys.none")} text=${d("keys.none_text")} />`;
  const all = columns({ onEdit: open("edit"), onToggle: toggle, onDelete: open("delete") });
  const confirmation = html`<${DeleteDialog} of=${dialog.key} onClose=${onClose} onConfirm=${deleteKey} />`;
  return html`
    <${View} title=${d("views.keys")} about=${d("keys.about")} actions=${add}>
      <${PagedTable} pages=${pages} caption=${d("views.keys")} columns=${all} empty=${empty} />
      ${dialog.kind === "add" && html`<${KeyForm} onClose=${onClose} onSave=${onCreate} />`}
      ${dialog.kind === "edit" && html`<${KeyForm} of=${dialog.key} onClose=${onClose} onSave=${onChange} />`}
      ${dialog.kind === "created" && html`<${NewKeyDialog} of=${dialog.key} onClose=${onClose} />`}
      ${dialog.kind === "delete" && confirmation}
    <//>
  `;
}

/** @param {{of: any, onClose: () => void, onConfirm: () => void}} props */
function DeleteDialog({ of, onClose, onConfirm }) {
  const own = of.shown === account.value?.key_shown ? d("keys.own") : "";
  return html`
    <${ConfirmDialog}
      title=${d("keys.delete_title", { name: of.name })}
      text=${`${d("keys.delete_text")} ${own}`}
      verb=${d("keys.delete")}
      onConfirm=${onConfirm}
      onClose=${onClose}
    />
  `;
}

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
