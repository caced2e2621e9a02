// A new key: what it may do and within what limits. Empty fields set no limit.
import { useState } from "preact/hooks";
import { html } from "html";
import { t } from "../i18n.js";
import { account } from "../store.js";
import { call } from "../api.js";
import { useLoad } from "./load.js";
import { d, Dialog } from "./parts.js";

const USUAL = ["images:write", "tasks:read", "files:write", "billing:read"];

/** @param {FormData} form @param {string} name */
const words = (form, name) => String(form.get(name) ?? "").split(/[\s,]+/).filter(Boolean);

/** The body of POST /v1/keys. @param {FormData} form */
export function bodyOf(form) {
  const text = (/** @type {string} */ name) => String(form.get(name) ?? "").trim();
  /** @type {Record<string, any>} */
  const body = { name: text("name"), scopes: form.getAll("scopes") };
  for (const name of ["cap_credits", "daily_cap_credits", "in_flight_cap_credits"]) if (text(name)) body[name] = text(name);
  for (const name of ["rate_per_minute", "concurrent_tasks"]) if (text(name)) body[name] = Number(text(name));
  if (text("expires_at")) body.expires_at = Math.floor(new Date(text("expires_at")).getTime() / 1000);
  if (form.getAll("models").length) body.models = form.getAll("models");
  if (words(form, "allowed_ips").length) body.allowed_ips = words(form, "allowed_ips");
  return body;
}

/** @param {{name: string, type?: string, fault: any, [more: string]: any}} props */
function Field({ name, fault, ...more }) {
  const wrong = fault?.param?.startsWith(name);
  return html`<div class="field"><label for=${`key-${name}`}>${d(`keys.form.${name}`)}</label>
    <input class="input" id=${`key-${name}`} name=${name} aria-invalid=${wrong ? "true" : "false"} aria-describedby=${wrong ? "key-fault" : undefined} ...${more} /></div>`;
}

/** @param {{close: () => void, done: (key: any) => void}} props */
export function NewKey({ close, done }) {
  const models = useLoad("/v1/models");
  const [fault, setFault] = useState(/** @type {any} */ (null));
  const [busy, setBusy] = useState(false);
  const submit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    setBusy(true);
    const reply = await call("/v1/keys", { body: bodyOf(new FormData(/** @type {HTMLFormElement} */ (event.target))) });
    setBusy(false);
    if (reply.ok) done(reply.value);
    else setFault(reply);
  };
  const scopes = account.value?.scopes ?? [];
  return html`<${Dialog} title=${d("keys.add")} close=${close}>
    <form class="stack" onSubmit=${submit}>
      <${Field} name="name" fault=${fault} required maxlength="100" autofocus />
      <fieldset><legend class="label">${d("keys.form.scopes")}</legend>
        ${scopes.map((one) => html`<label class="check"><input type="checkbox" name="scopes" value=${one} defaultChecked=${USUAL.includes(one)} /> <span><code>${one}</code> <span class="small soft">${d(`scopes.${one.replace(":", "_")}`)}</span></span></label>`)}
      </fieldset>
      <div class="pairs">
        <${Field} name="cap_credits" fault=${fault} inputmode="decimal" />
        <${Field} name="daily_cap_credits" fault=${fault} inputmode="decimal" />
        <${Field} name="in_flight_cap_credits" fault=${fault} inputmode="decimal" />
        <${Field} name="expires_at" fault=${fault} type="datetime-local" />
        <${Field} name="rate_per_minute" fault=${fault} type="number" min="1" />
        <${Field} name="concurrent_tasks" fault=${fault} type="number" min="1" />
      </div>
      <${Field} name="allowed_ips" fault=${fault} placeholder="192.0.2.7, 2001:db8::/32" />
      <details><summary class="small">${d("keys.form.models")}</summary><div class="checks">
        ${(models.value?.data ?? []).map((/** @type {any} */ one) => html`<label class="check"><input type="checkbox" name="models" value=${one.id} /> <code>${one.id}</code></label>`)}
      </div></details>
      <p class="hint small soft">${d("keys.form.about")}</p>
      ${fault && html`<p class="fault" id="key-fault" role="alert">${fault.status ? fault.message : t("app.errors.network")}</p>`}
      <footer>
        <button type="button" class="button bare" onClick=${close}>${t("app.cancel")}</button>
        <button class="button main" disabled=${busy}>${d("keys.form.make")}</button>
      </footer>
    </form>
  </${Dialog}>`;
}
