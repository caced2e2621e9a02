// The operator's accounts: open one, grant credits or take them back.
import { html } from "html";
import { useRef, useState } from "preact/hooks";
import { post } from "../api.js";
import { Dialog } from "../dialog.js";
import { withForm } from "../dom.js";
import { errorText } from "../errors.js";
import { TextField } from "../fields.js";
import { formatTime } from "../i18n.js";
import { randomId } from "../ids.js";
import { formatCredits } from "../money.js";
import { refreshBalance, showToast } from "../store.js";
import { Amount, d, Empty, RowButton, View } from "./components.js";
import { usePages } from "./data.js";
import { FormFooter, NewKeyDialog } from "./dialogs.js";
import { PagedTable } from "./table.js";

export function Accounts() {
  const pages = usePages("/v1/admin/accounts?limit=100");
  const [adding, setAdding] = useState(false);
  const [recipient, setRecipient] = useState(/** @type {any} */ (null));
  const [newAccount, setNewAccount] = useState(/** @type {any} */ (null));
  const onAdd = (/** @type {any} */ account) => {
    setAdding(false);
    if (account.key) setNewAccount(account);
    pages.reload();
  };
  const onGrant = () => {
    setRecipient(null);
    pages.reload();
    refreshBalance();
  };
  const closeGrant = () => setRecipient(null);
  const add = html`<button class="button main" onClick=${() => setAdding(true)}>${d("accounts.add")}</button>`;
  const empty = html`<${Empty} title=${d("accounts.none")} />`;
  return html`
    <${View} title=${d("views.accounts")} about=${d("accounts.about")} actions=${add}>
      <${PagedTable} pages=${pages} caption=${d("views.accounts")} empty=${empty} columns=${columns(setRecipient)} />
      ${adding && html`<${AccountDialog} onClose=${() => setAdding(false)} onAdd=${onAdd} />`}
      ${recipient && html`<${GrantDialog} account=${recipient} onClose=${closeGrant} onGrant=${onGrant} />`}
      ${newAccount && html`<${NewKeyDialog} of=${newAccount} onClose=${() => setNewAccount(null)} />`}
    <//>
  `;
}

/** @param {{row: any}} props */
function Name({ row }) {
  const date = row.closed_at === null ? "" : formatTime(row.closed_at, { dateStyle: "medium" });
  return html`
    ${row.name}<br /><code>${row.id}</code>
    ${date && html`<span class="line small soft">${d("accounts.closed", { date })}</span>`}
  `;
}

/** @param {(account: any) => void} grant @returns {import("./table.js").Column[]} */
const columns = (grant) => [
  { title: d("columns.name"), head: true, cell: (row) => html`<${Name} row=${row} />` },
  { title: d("columns.available"), num: true, cell: (row) => html`<${Amount} money=${row.available} />` },
  { title: d("columns.held"), num: true, cell: (row) => html`<${Amount} money=${row.held} />` },
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
        <${FormFooter} onCancel=${onClose} verb=${d("accounts.add")} />
      </form>
    <//>
  `;
}

/** @param {{account: any, onClose: () => void, onGrant: () => void}} props */
function GrantDialog({ account, onClose, onGrant }) {
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  // One key for each amount entered here: a second press after a lost answer grants nothing twice.
  const idempotency = useRef({ credits: "", key: "" });
  const submit = withForm(async (form) => {
    const credits = String(new FormData(form).get("credits")).trim();
    if (idempotency.current.credits !== credits) idempotency.current = { credits, key: randomId() };
    setBusy(true);
    const headers = { "Idempotency-Key": idempotency.current.key };
    const reply = await post("/v1/admin/grants", { account_id: account.id, credits }, { headers });
    setBusy(false);
    if (!reply.ok) return setError(errorText(reply));
    const [amount, available] = [reply.value.amount, reply.value.available].map(formatCredits);
    showToast(d("accounts.granted", { name: account.name, amount, available }));
    onGrant();
  });
  return html`
    <${Dialog} title=${d("accounts.grant_title", { name: account.name })} onClose=${onClose}>
      <form class="stack" onSubmit=${submit}>
        <${TextField}
          id="grant-credits"
          label=${d("columns.credits")}
          name="credits"
          required
          inputmode="decimal"
          pattern="[+\\-]?[0-9]+(\\.[0-9]+)?"
          autofocus
          hint=${d("accounts.grant_about")}
          error=${error}
        />
        <${FormFooter} onCancel=${onClose} verb=${d("accounts.grant")} busy=${busy} />
      </form>
    <//>
  `;
}
