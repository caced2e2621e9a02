// The operator's accounts: open one, give credits or take them back.
import { useRef, useState } from "preact/hooks";
import { html } from "html";
import { t } from "../i18n.js";
import { credits } from "../money.js";
import { call } from "../api.js";
import { refreshBalance, toast } from "../store.js";
import { usePages } from "./load.js";
import { Amount, d, Dialog, Empty, List, Secret, View } from "./parts.js";

/** @param {import("../api.js").Bad} fault */
const told = (fault) => (fault.status ? fault.message : t("app.errors.network"));

export function Accounts() {
  const pages = usePages("/v1/admin/accounts?limit=100");
  const [opening, setOpening] = useState(false);
  const [granting, setGranting] = useState(/** @type {any} */ (null));
  const [made, setMade] = useState(/** @type {any} */ (null));
  const opened = (/** @type {any} */ account) => {
    setOpening(false);
    if (account.key) setMade(account);
    pages.again();
  };
  const granted = () => {
    setGranting(null);
    pages.again();
    refreshBalance();
  };
  const add = html`<button class="button main" onClick=${() => setOpening(true)}>${d("accounts.add")}</button>`;
  return html`<${View} title=${d("views.accounts")} about=${d("accounts.about")} actions=${add}>
    <${List} pages=${pages} caption=${d("views.accounts")} empty=${html`<${Empty} title=${d("accounts.none")} />`} columns=${[
      { name: "name", title: d("columns.name"), head: true, cell: (/** @type {any} */ row) => html`${row.name}<br /><code>${row.id}</code>` },
      { name: "available", title: d("columns.available"), num: true, cell: (/** @type {any} */ row) => html`<${Amount} money=${row.available} />` },
      { name: "held", title: d("columns.held"), num: true, cell: (/** @type {any} */ row) => html`<${Amount} money=${row.held} />` },
      { name: "act", title: d("columns.actions"), cell: (/** @type {any} */ row) => html`<button class="button tight" onClick=${() => setGranting(row)}>${d("accounts.grant")}<span class="unseen"> ${row.name}</span></button>` },
    ]} />
    ${opening && html`<${Opening} close=${() => setOpening(false)} done=${opened} />`}
    ${granting && html`<${Granting} account=${granting} close=${() => setGranting(null)} done=${granted} />`}
    ${made && html`<${Dialog} title=${d("keys.made")} close=${() => setMade(null)}><${Secret} label=${made.name} value=${made.key} about=${d("keys.once")} />
      <footer><button class="button main" onClick=${() => setMade(null)}>${t("app.close")}</button></footer></${Dialog}>`}
  </${View}>`;
}

/** @param {{close: () => void, done: (account: any) => void}} props */
function Opening({ close, done }) {
  const [fault, setFault] = useState("");
  const submit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const reply = await call("/v1/admin/accounts", { body: { name: form.get("name"), with_key: form.has("with_key") } });
    if (reply.ok) done(reply.value);
    else setFault(told(reply));
  };
  return html`<${Dialog} title=${d("accounts.add")} close=${close}><form class="stack" onSubmit=${submit}>
    <div class="field"><label for="account-name">${d("columns.name")}</label><input class="input" id="account-name" name="name" required maxlength="100" autofocus aria-describedby="account-fault" /></div>
    <label class="check"><input type="checkbox" name="with_key" defaultChecked /> <span>${d("accounts.with_key")}</span></label>
    <p class="fault" id="account-fault" role="alert">${fault}</p>
    <footer><button type="button" class="button bare" onClick=${close}>${t("app.cancel")}</button><button class="button main">${d("accounts.add")}</button></footer>
  </form></${Dialog}>`;
}

/** @param {{account: any, close: () => void, done: () => void}} props */
function Granting({ account, close, done }) {
  const [fault, setFault] = useState("");
  const [busy, setBusy] = useState(false);
  // One for each amount in this dialog: a second press after a lost answer books nothing twice.
  const once = useRef({ credits: "", key: "" });
  const submit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const amount = String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get("credits")).trim();
    if (once.current.credits !== amount) once.current = { credits: amount, key: fresh() };
    setBusy(true);
    const reply = await call("/v1/admin/grants", { body: { account_id: account.id, credits: amount }, headers: { "Idempotency-Key": once.current.key } });
    setBusy(false);
    if (!reply.ok) return setFault(told(reply));
    toast(d("accounts.granted", { name: account.name, amount: credits(reply.value.amount), available: credits(reply.value.available) }));
    done();
  };
  return html`<${Dialog} title=${d("accounts.grant_title", { name: account.name })} close=${close}><form class="stack" onSubmit=${submit}>
    <div class="field"><label for="grant-credits">${d("columns.credits")}</label>
      <input class="input" id="grant-credits" name="credits" required inputmode="decimal" pattern="[+\\-]?[0-9]+(\\.[0-9]+)?" autofocus aria-describedby="grant-about grant-fault" />
      <p class="hint" id="grant-about">${d("accounts.grant_about")}</p><p class="fault" id="grant-fault" role="alert">${fault}</p></div>
    <footer><button type="button" class="button bare" onClick=${close}>${t("app.cancel")}</button><button class="button main" disabled=${busy}>${d("accounts.grant")}</button></footer>
  </form></${Dialog}>`;
}

/** 128 random bits; crypto.randomUUID is missing where the page has no secure context. */
const fresh = () => `page-${[...crypto.getRandomValues(new Uint8Array(16))].map((one) => one.toString(16).padStart(2, "0")).join("")}`;
