// A key's limits: of a new one, or changed ones. Empty fields set no limit.
import { useState } from "preact/hooks";
import { html } from "html";
import { t } from "../i18n.js";
import { rounded } from "../money.js";
import { account } from "../store.js";
import { call } from "../api.js";
import { useLoad } from "./load.js";
import { d, Dialog } from "./parts.js";

const USUAL = ["images:write", "tasks:read", "files:write", "billing:read"];
const CAPS = ["cap_credits", "daily_cap_credits", "in_flight_cap_credits"];
const COUNTS = ["rate_per_minute", "concurrent_tasks"];

/** @param {string} text */
const words = (text) => text.split(/[\s,]+/).filter(Boolean);

/** The body of POST and PATCH /v1/keys: null where a field is empty. @param {FormData} form */
export function bodyOf(form) {
  const text = (/** @type {string} */ name) => String(form.get(name) ?? "").trim();
  /** @type {Record<string, any>} */
  const body = { name: text("name"), scopes: form.getAll("scopes") };
  for (const name of CAPS) body[name] = text(name) || null;
  for (const name of COUNTS) body[name] = text(name) ? Number(text(name)) : null;
  body.expires_at = text("expires_at") ? Math.floor(new Date(text("expires_at")).getTime() / 1000) : null;
  body.models = form.getAll("models").length ? form.getAll("models") : null;
  body.allowed_ips = words(text("allowed_ips")).length ? words(text("allowed_ips")) : null;
  return body;
}

/** Fields that no longer hold what they showed at first. @param {HTMLFormElement} form @returns {Set<string>} */
function touched(form) {
  const inputs = /** @type {HTMLInputElement[]} */ ([...form.elements].filter((one) => one instanceof HTMLInputElement));
  return new Set(inputs.filter((one) => one.value !== one.defaultValue || one.checked !== one.defaultChecked).map((one) => one.name));
}

/** @param {Record<string, any>} body @param {Set<string>} names */
const only = (body, names) => Object.fromEntries(Object.entries(body).filter(([name]) => names.has(name)));

/** A moment as a field of type datetime-local writes it. @param {number | null} seconds */
function here(seconds) {
  if (!seconds) return "";
  const moment = new Date(seconds * 1000);
  return new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** @param {{name: string, fault: any, [more: string]: any}} props */
function Field({ name, fault, ...more }) {
  const wrong = fault?.param?.startsWith(name);
  return html`<div class="field"><label for=${`key-${name}`}>${d(`keys.form.${name}`)}</label>
    <input class="input" id=${`key-${name}`} name=${name} aria-invalid=${wrong ? "true" : "false"} aria-describedby=${wrong ? "key-fault" : undefined} ...${more} /></div>`;
}

/** Without `of` a new key is made. @param {{of?: any, close: () => void, done: (key: any) => void}} props */
export function KeyForm({ of, close, done }) {
  const models = useLoad("/v1/models");
  const [fault, setFault] = useState(/** @type {any} */ (null));
  const [busy, setBusy] = useState(false);
  const submit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    setBusy(true);
    const form = /** @type {HTMLFormElement} */ (event.target);
    const body = bodyOf(new FormData(form));
    const reply = of ? await call(`/v1/keys/${of.id}`, { method: "PATCH", body: only(body, touched(form)) }) : await call("/v1/keys", { body });
    setBusy(false);
    if (reply.ok) done(reply.value);
    else setFault(reply);
  };
  const scopes = account.value?.scopes ?? [];
  const cap = (/** @type {any} */ money) => (money ? rounded(money.credits, 6).replaceAll(",", "") : "");
  const sold = (models.value?.data ?? []).map((/** @type {any} */ one) => one.id);
  const offered = [...new Set([...sold, ...(of?.models ?? [])])];
  return html`<${Dialog} title=${of ? d("keys.change_title", { name: of.name }) : d("keys.add")} close=${close}>
    <form class="stack" onSubmit=${submit}>
      <${Field} name="name" fault=${fault} required maxlength="100" autofocus defaultValue=${of?.name ?? ""} />
      <fieldset><legend class="label">${d("keys.form.scopes")}</legend>
        ${scopes.map((one) => html`<label class="check"><input type="checkbox" name="scopes" value=${one} defaultChecked=${(of?.scopes ?? USUAL).includes(one)} /> <span><code>${one}</code> <span class="small soft">${d(`scopes.${one.replace(":", "_")}`)}</span></span></label>`)}
      </fieldset>
      <div class="pairs">
        <${Field} name="cap_credits" fault=${fault} inputmode="decimal" defaultValue=${cap(of?.cap)} />
        <${Field} name="daily_cap_credits" fault=${fault} inputmode="decimal" defaultValue=${cap(of?.daily_cap)} />
        <${Field} name="in_flight_cap_credits" fault=${fault} inputmode="decimal" defaultValue=${cap(of?.in_flight_cap)} />
        <${Field} name="expires_at" fault=${fault} type="datetime-local" defaultValue=${here(of?.expires_at)} />
        <${Field} name="rate_per_minute" fault=${fault} type="number" min="1" defaultValue=${of?.rate_per_minute ?? ""} />
        <${Field} name="concurrent_tasks" fault=${fault} type="number" min="1" defaultValue=${of?.concurrent_tasks ?? ""} />
      </div>
      <${Field} name="allowed_ips" fault=${fault} placeholder="192.0.2.7, 2001:db8::/32" defaultValue=${(of?.allowed_ips ?? []).join(", ")} />
      <details><summary class="small">${d("keys.form.models")}</summary><div class="checks">
        ${offered.map((one) => html`<label class="check" key=${one}><input type="checkbox" name="models" value=${one} defaultChecked=${(of?.models ?? []).includes(one)} /> <code>${one}</code></label>`)}
      </div></details>
      <p class="hint small soft">${d("keys.form.about")}</p>
      ${fault && html`<p class="fault" id="key-fault" role="alert">${fault.status ? fault.message : t("app.errors.network")}</p>`}
      <footer>
        <button type="button" class="button bare" onClick=${close}>${t("app.cancel")}</button>
        <button class="button main" disabled=${busy}>${d(of ? "keys.form.save" : "keys.form.make")}</button>
      </footer>
    </form>
  </${Dialog}>`;
}
