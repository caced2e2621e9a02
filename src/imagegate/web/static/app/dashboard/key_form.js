// The form of a key's limits, for a new key and for an existing one. An empty field sets no limit.
import { html } from "html";
import { useRef, useState } from "preact/hooks";
import { patch, post } from "../api.js";
import { Dialog } from "../dialog.js";
import { withForm } from "../dom.js";
import { errorText } from "../errors.js";
import { TextField } from "../fields.js";
import { roundDecimal } from "../money.js";
import { account } from "../store.js";
import { d } from "./components.js";
import { useData } from "./data.js";
import { askDiscard, FormFooter } from "./dialogs.js";

/** @typedef {import("../api.js").ApiError} ApiError */

const DEFAULT_SCOPES = ["images:write", "tasks:read", "files:write", "billing:read"];
const CAPS = ["cap_credits", "daily_cap_credits", "in_flight_cap_credits"];
const COUNTS = ["rate_per_minute", "concurrent_tasks"];

/** @template T @param {T[]} list */
const orNull = (list) => (list.length ? list : null);

/** The body of POST and PATCH /v1/keys: null where a field is empty. @param {FormData} form */
function keyBody(form) {
  const text = (/** @type {string} */ name) => String(form.get(name) ?? "").trim();
  /** @type {Record<string, any>} */
  const body = { name: text("name"), scopes: form.getAll("scopes") };
  for (const name of CAPS) body[name] = text(name) || null;
  for (const name of COUNTS) body[name] = text(name) ? Number(text(name)) : null;
  body.expires_at = text("expires_at") ? Math.floor(new Date(text("expires_at")).getTime() / 1000) : null;
  body.models = orNull(form.getAll("models"));
  body.allowed_ips = orNull(
    text("allowed_ips")
      .split(/[\s,]+/)
      .filter(Boolean),
  );
  return body;
}

/** The part of the body whose fields no longer hold what they first showed. @param {HTMLFormElement} form */
function changedBody(form) {
  const inputs = /** @type {HTMLInputElement[]} */ (
    [...form.elements].filter((one) => one instanceof HTMLInputElement)
  );
  const changed = inputs.filter((one) => one.value !== one.defaultValue || one.checked !== one.defaultChecked);
  const names = new Set(changed.map((one) => one.name));
  return Object.fromEntries(Object.entries(keyBody(new FormData(form))).filter(([name]) => names.has(name)));
}

/** Local time as a field of type datetime-local has it. @param {number | null} seconds */
function localTime(seconds) {
  if (!seconds) return "";
  const time = new Date(seconds * 1000);
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** @param {import("../money.js").Money | null | undefined} money */
const capText = (money) => (money ? roundDecimal(money.credits, 4).replaceAll(",", "") : "");

/** @param {{name: string, error: ApiError | null, [input: string]: any}} props */
function Field({ name, error, ...input }) {
  const invalid = error?.param?.startsWith(name);
  return html`
    <${TextField}
      id=${`key-${name}`}
      label=${d(`keys.form.${name}`)}
      name=${name}
      aria-invalid=${invalid ? "true" : "false"}
      aria-describedby=${invalid ? "key-error" : undefined}
      ...${input}
    />
  `;
}

/** Without `of` it makes a new key. @param {{of?: any, onClose: () => void, onSave: (key: any) => void}} props */
export function KeyForm({ of, onClose, onSave }) {
  const [error, setError] = useState(/** @type {ApiError | null} */ (null));
  const [busy, setBusy] = useState(false);
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  const submit = withForm(async (filled) => {
    setBusy(true);
    const reply = of
      ? await patch(`/v1/keys/${of.id}`, changedBody(filled))
      : await post("/v1/keys", keyBody(new FormData(filled)));
    setBusy(false);
    if (reply.ok) onSave(reply.value);
    else setError(reply);
  });
  const mayClose = () => !form.current || !Object.keys(changedBody(form.current)).length || askDiscard();
  const ips = (of?.allowed_ips ?? []).join(", ");
  return html`
    <${Dialog}
      title=${of ? d("keys.change_title", { name: of.name }) : d("keys.add")}
      onClose=${onClose}
      onBeforeClose=${mayClose}
    >
      <form class="stack" ref=${form} onSubmit=${submit}>
        <${Field} name="name" error=${error} required maxlength="100" autofocus defaultValue=${of?.name ?? ""} />
        <${Scopes} chosen=${of?.scopes ?? DEFAULT_SCOPES} />
        <${Limits} of=${of} error=${error} />
        <${Field} name="allowed_ips" error=${error} placeholder="192.0.2.7, 2001:db8::/32" defaultValue=${ips} />
        <${Models} chosen=${of?.models ?? []} />
        <p class="hint small soft">${d("keys.form.about")}</p>
        ${error && html`<p class="error" id="key-error" role="alert">${errorText(error)}</p>`}
        <${FormFooter} onCancel=${onClose} verb=${d(of ? "keys.form.save" : "keys.form.create")} busy=${busy} />
      </form>
    <//>
  `;
}

/** A key can grant only its own scopes. @param {{chosen: string[]}} props */
function Scopes({ chosen }) {
  const box = (/** @type {string} */ scope) => html`
    <label class="check">
      <input type="checkbox" name="scopes" value=${scope} defaultChecked=${chosen.includes(scope)} />${" "}
      <span><code>${scope}</code> <span class="small soft">${d(`scopes.${scope.replace(":", "_")}`)}</span></span>
    </label>
  `;
  return html`
    <fieldset>
      <legend class="label">${d("keys.form.scopes")}</legend>
      ${(account.value?.scopes ?? []).map(box)}
    </fieldset>
  `;
}

/** @param {{of: any, error: ApiError | null}} props */
function Limits({ of, error }) {
  const caps = [of?.cap, of?.daily_cap, of?.in_flight_cap].map(capText);
  const cap = (/** @type {string} */ name, /** @type {number} */ index) =>
    html`<${Field} key=${name} name=${name} error=${error} inputmode="decimal" defaultValue=${caps[index]} />`;
  const count = (/** @type {string} */ name) =>
    html`<${Field} key=${name} name=${name} error=${error} type="number" min="1" defaultValue=${of?.[name] ?? ""} />`;
  const expiry = localTime(of?.expires_at);
  return html`
    <div class="pairs">
      ${CAPS.map(cap)}
      <${Field} name="expires_at" error=${error} type="datetime-local" defaultValue=${expiry} />
      ${COUNTS.map(count)}
    </div>
  `;
}

/** The models for sale, and those that the key has already. @param {{chosen: string[]}} props */
function Models({ chosen }) {
  const models = useData("/v1/models");
  const forSale = (models.value?.data ?? []).map((/** @type {any} */ model) => model.id);
  const names = [...new Set(/** @type {string[]} */ ([...forSale, ...chosen]))];
  const box = (/** @type {string} */ name) => html`
    <label class="check" key=${name}>
      <input type="checkbox" name="models" value=${name} defaultChecked=${chosen.includes(name)} />${" "}
      <code>${name}</code>
    </label>
  `;
  return html`
    <details>
      <summary class="small">${d("keys.form.models")}</summary>
      <div class="checks">${names.map(box)}</div>
    </details>
  `;
}
