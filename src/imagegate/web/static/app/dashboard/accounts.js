// The operator's accounts: find one, add one, grant credits.
import { html } from "html";
import { useState } from "preact/hooks";
import { post } from "../api.js";
import { Dialog } from "../dialog.js";
import { withForm, withValue } from "../dom.js";
import { errorText } from "../errors.js";
import { TextField } from "../fields.js";
import { formatNumber } from "../i18n.js";
import { Account } from "./account.js";
import { Amount, d, Empty, RowButton, StateBadge, Time, View } from "./components.js";
import { usePages, useSettled } from "./data.js";
import { FormFooter, NewKeyDialog } from "./dialogs.js";
import { GrantDialog } from "./grant.js";
import { linkTo, queryValue, setQuery } from "./router.js";
import { PagedTable } from "./table.js";

const TYPING_MS = 250;

/** @param {{id: string}} props */
export const Accounts = ({ id }) => (id ? html`<${Account} id=${id} key=${id} />` : html`<${AccountList} />`);

function AccountList() {
  const q = queryValue("q");
  const pages = usePages(`/v1/admin/accounts?limit=50&q=${encodeURIComponent(useSettled(q, TYPING_MS))}`);
  const [adding, setAdding] = useState(false);
  const [recipient, setRecipient] = useState(/** @type {any} */ (null));
  const [newAccount, setNewAccount] = useState(/** @type {any} */ (null));
  const onAdd = (/** @type {any} */ account) => {
    setAdding(false);
    if (account.key) setNewAccount(account);
    pages.reload();
  };
  const closeGrant = () => setRecipient(null);
  const add = html`<button class="button main" onClick=${() => setAdding(true)}>${d("accounts.add")}</button>`;
  const empty = html`<${Empty} title=${d("accounts.none")} text=${d("accounts.none_text")} />`;
  return html`
    <${View} title=${d("views.accounts")} about=${d("accounts.about")} actions=${add}>
      <form class="filters" role="search" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
        <${TextField}
          id="account-q"
          className="wide"
          label=${d("accounts.search")}
          type="search"
          maxlength="100"
          value=${q}
          onInput=${withValue((text) => setQuery({ q: text }))}
        />
      </form>
      <${PagedTable} pages=${pages} caption=${d("views.accounts")} empty=${empty} columns=${columns(setRecipient)} />
      ${adding && html`<${AccountDialog} onClose=${() => setAdding(false)} onAdd=${onAdd} />`}
      ${recipient && html`<${GrantDialog} account=${recipient} onClose=${closeGrant} onGrant=${pages.reload} />`}
      ${newAccount && html`<${NewKeyDialog} of=${newAccount} onClose=${() => setNewAccount(null)} />`}
    <//>
  `;
}

/** @param {(account: any) => void} grant @returns {import("./table.js").Column[]} */
const columns = (grant) => [
  {
    title: d("columns.name"),
    head: true,
    cell: (row) => html`<a href=${linkTo("accounts", row.id)}>${row.name}</a>`,
  },
  {
    title: d("columns.status"),
    cell: (row) => html`<${StateBadge} state=${row.closed_at === null ? "open" : "closed"} />`,
  },
  { title: d("columns.available"), num: true, cell: (row) => html`<${Amount} money=${row.available} />` },
  { title: d("columns.held"), num: true, cell: (row) => html`<${Amount} money=${row.held} />` },
  { title: d("accounts.unfinished"), num: true, cell: (row) => formatNumber(row.unfinished_tasks) },
  { title: d("accounts.since"), cell: (row) => html`<${Time} seconds=${row.created} date />` },
  {
    title: d("columns.actions"),
    cell: (row) => html`<${RowButton} text=${d("accounts.grant")} name=${row.name} onClick=${() => grant(row)} />`,
  },
];

/** @param {{onClose: () => void, onAdd: (account: any) => void}} props */
function AccountDialog({ onClose, onAdd }) {
  const [error, setError] = useState("");
  const submit = withForm(async (form) => {
    const fields = new FormData(form);
    const reply = await post("/v1/admin/accounts", { name: fields.get("name"), with_key: fields.has("with_key") });
    if (reply.ok) onAdd(reply.value);
    else setError(errorText(reply));
  });
  return html`
    <${Dialog} title=${d("accounts.add")} onClose=${onClose}>
      <form class="stack" onSubmit=${submit}>
        <${TextField}
          id="account-name"
          label=${d("columns.name")}
          name="name"
          required
          maxlength="100"
          autofocus
          error=${error}
        />
        <label class="check">
          <input type="checkbox" name="with_key" defaultChecked />${" "}
          <span>${d("accounts.with_key")}</span>
        </label>
        <${FormFooter} onCancel=${onClose} verb=${d("accounts.create")} />
      </form>
    <//>
  `;
}
