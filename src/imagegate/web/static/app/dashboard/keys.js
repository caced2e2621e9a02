// The account's keys: their limits, and how they end.
import { useState } from "preact/hooks";
import { html } from "html";
import { t } from "../i18n.js";
import { credits } from "../money.js";
import { account, toast } from "../store.js";
import { call } from "../api.js";
import { KeyForm } from "./key_form.js";
import { usePages } from "./load.js";
import { Amount, complain, Confirm, d, Dialog, Empty, List, Secret, State, View, When } from "./parts.js";

/** @param {any} key @returns {string[]} */
function limits(key) {
  const found = [];
  if (key.cap) found.push(d("keys.limit.cap", { amount: credits(key.cap) }));
  if (key.daily_cap) found.push(d("keys.limit.daily", { amount: credits(key.daily_cap) }));
  if (key.in_flight_cap) found.push(d("keys.limit.in_flight", { amount: credits(key.in_flight_cap) }));
  if (key.rate_per_minute) found.push(d("keys.limit.rate", { n: key.rate_per_minute }));
  if (key.concurrent_tasks) found.push(d("keys.limit.concurrent", { n: key.concurrent_tasks }));
  if (key.models) found.push(d("keys.limit.models", { names: key.models.join(", ") }));
  if (key.allowed_ips) found.push(d("keys.limit.ips", { names: key.allowed_ips.join(", ") }));
  return found;
}

export function Keys() {
  const pages = usePages("/v1/keys?limit=50");
  const [form, setForm] = useState(false);
  const [changing, setChanging] = useState(/** @type {any} */ (null));
  const [made, setMade] = useState(/** @type {any} */ (null));
  const [ending, setEnding] = useState(/** @type {any} */ (null));
  const change = async (/** @type {any} */ key) => {
    const reply = await call(`/v1/keys/${key.id}`, { method: "PATCH", body: { disabled: key.status !== "disabled" } });
    if (!reply.ok) return complain(reply);
    toast(d(reply.value.status === "disabled" ? "keys.was_disabled" : "keys.was_enabled", { name: key.name }));
    pages.again();
  };
  const end = async (/** @type {any} */ key) => {
    const reply = await call(`/v1/keys/${key.id}`, { method: "DELETE" });
    if (!reply.ok) return complain(reply);
    toast(d("keys.was_deleted", { name: key.name }));
    pages.again();
  };
  const done = (/** @type {any} */ key) => {
    setForm(false);
    setMade(key);
    pages.again();
  };
  const changed = (/** @type {any} */ key) => {
    setChanging(null);
    toast(d("keys.was_changed", { name: key.name }));
    pages.again();
  };
  const add = html`<button class="button main" data-new-key onClick=${() => setForm(true)}>${d("keys.add")}</button>`;
  return html`<${View} title=${d("views.keys")} about=${d("keys.about")} actions=${add}>
    <${List} pages=${pages} caption=${d("views.keys")} columns=${columns(setChanging, change, setEnding)} empty=${html`<${Empty} title=${d("keys.none")} text=${d("keys.none_text")} />`} />
    ${form && html`<${KeyForm} close=${() => setForm(false)} done=${done} />`}
    ${changing && html`<${KeyForm} of=${changing} close=${() => setChanging(null)} done=${changed} />`}
    ${made && html`<${Dialog} title=${d("keys.made")} close=${() => setMade(null)}>
      <${Secret} label=${made.name} value=${made.key} about=${d("keys.once")} />
      <footer><button class="button main" onClick=${() => setMade(null)}>${t("app.close")}</button></footer>
    </${Dialog}>`}
    ${ending && html`<${Confirm} title=${d("keys.delete_title", { name: ending.name })} text=${`${d("keys.delete_text")} ${ending.shown === account.value?.key_shown ? d("keys.own") : ""}`} verb=${d("keys.delete")} act=${() => end(ending)} close=${() => setEnding(null)} />`}
  </${View}>`;
}

/** @param {(key: any) => void} edit @param {(key: any) => void} change @param {(key: any) => void} end @returns {import("./parts.js").Column[]} */
function columns(edit, change, end) {
  return [
    { name: "name", title: d("columns.name"), head: true, cell: (key) => html`<span>${key.name}</span><br /><code>${key.shown}</code>` },
    { name: "status", title: d("columns.status"), cell: (key) => html`<${State} word=${key.status} />` },
    { name: "scopes", title: d("columns.scopes"), cell: (key) => html`<span class="chips">${key.scopes.map((/** @type {string} */ one) => html`<code>${one}</code>`)}</span>` },
    { name: "limits", title: d("columns.limits"), cell: (key) => html`<span class="small">${limits(key).map((one) => html`<span class="line">${one}</span>`)}${limits(key).length ? "" : "–"}</span>` },
    { name: "spent", title: d("columns.spent"), num: true, cell: (key) => html`<${Amount} money=${key.spent} />` },
    { name: "expires", title: d("columns.expires"), cell: (key) => (key.expires_at ? html`<${When} seconds=${key.expires_at} />` : d("never")) },
    {
      name: "act", title: d("columns.actions"), cell: (key) => html`<span class="row acts">
        <button class="button tight" onClick=${() => edit(key)}>${d("keys.change")}<span class="unseen"> ${key.name}</span></button>
        ${key.status !== "expired" && html`<button class="button tight" onClick=${() => change(key)}>${d(key.status === "disabled" ? "keys.enable" : "keys.disable")}<span class="unseen"> ${key.name}</span></button>`}
        <button class="button tight bad" onClick=${() => end(key)}>${d("keys.delete")}<span class="unseen"> ${key.name}</span></button></span>`,
    },
  ];
}
