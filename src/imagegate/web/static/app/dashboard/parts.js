// What every view is built of: heading, states, table, amounts, secrets.
import { useLayoutEffect, useRef } from "preact/hooks";
import { html } from "html";
import { moment, t } from "../i18n.js";
import { credits, rounded, usd } from "../money.js";
import { signingIn, toast } from "../store.js";

/** @typedef {{name: string, title: string, num?: boolean, head?: boolean, cell: (row: any) => any}} Column */

/** @param {string} name @param {Record<string, string | number>} [values] */
export const d = (name, values) => t(`dashboard.${name}`, values);

/** A word of the API in the visitor's language; one that is new to the page is shown as it came. @param {string} family @param {string} word */
export function worded(family, word) {
  const name = `dashboard.${family}.${word}`;
  const found = t(name);
  return found === name ? word : found;
}

/** @param {{title: string, about?: any, actions?: any, children?: any}} props */
export function View({ title, about, actions, children }) {
  return html`<section class="view" aria-labelledby="view-title">
    <header class="view-head">
      <div><h2 class="small-title" id="view-title" tabindex="-1">${title}</h2>${about && html`<p class="soft">${about}</p>`}</div>
      ${actions && html`<div class="row">${actions}</div>`}
    </header>
    ${children}
  </section>`;
}

const KINDS = /** @type {Record<string, string>} */ ({
  completed: "good", live: "good", delivered: "good", healthy: "good", produced: "good",
  pending: "accent", processing: "accent", waiting: "accent", sending: "accent",
  cancelled: "", disabled: "", expired: "warn", trial: "warn", cooling: "warn", unknown: "warn", refused: "warn", rejected: "warn",
  failed: "bad", exhausted: "bad", broken: "bad",
});

/** @param {{word: string}} props */
export const State = ({ word }) => html`<span class=${`badge ${KINDS[word] ?? ""}`} data-state=${word}><span class="dot" aria-hidden="true"></span>${worded("states", word)}</span>`;

/** @param {{seconds: number | null | undefined}} props */
export const When = ({ seconds }) => (seconds ? html`<time dateTime=${new Date(seconds * 1000).toISOString()}>${moment(seconds)}</time>` : "–");

/** @param {{money: import("../money.js").Money | null, sign?: boolean}} props */
export function Amount({ money, sign = false }) {
  if (!money) return "–";
  const plus = sign && !money.nanos.startsWith("-") ? "+" : "";
  return html`<span class="amount"><span>${plus}${credits(money)}</span> <small class="soft">${usd(money)}</small></span>`;
}

/** What is left; below zero the operator pays. @param {{money: import("../money.js").Money}} props */
export const Margin = ({ money }) => html`<${Amount} money=${money} />${money.nanos.startsWith("-") && html` <span class="badge bad">${d("costs.loss")}</span>`}`;

/** Credits that came as a JSON number. @param {number | undefined} value */
export const plain = (value) => (value === undefined ? "–" : rounded(String(value), 3));

/** @param {{fault: import("../api.js").Bad, again?: () => void}} props */
export function Fault({ fault, again }) {
  const out = fault.code === "signed_out" || fault.status === 401;
  const text = out ? t("app.errors.signed_out") : fault.status === 0 ? t("app.errors.network") : fault.status === 403 ? d("fault.scope", { message: fault.message }) : fault.message;
  return html`<div class="note sun stack" role="alert" data-fault=${fault.code}>
    <p><strong>${t("app.errors.title")}</strong> ${text}</p>
    ${fault.requestId && html`<p class="small soft">${d("fault.request")} <code>${fault.requestId}</code></p>`}
    <div class="row">
      ${out && html`<button class="button tight main" onClick=${() => (signingIn.value = true)}>${t("app.account.sign_in")}</button>`}
      ${again && html`<button class="button tight" onClick=${again}>${t("app.retry")}</button>`}
    </div>
  </div>`;
}

export const Waiting = () => html`<div class="waiting" role="status"><span class="unseen">${d("loading")}</span><span class="skeleton"></span><span class="skeleton"></span><span class="skeleton"></span></div>`;

/** @param {{title: string, text?: string, children?: any}} props */
export const Empty = ({ title, text, children }) => html`<div class="empty" data-empty>
  <svg viewBox="0 0 48 48" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true"><path d="M8 40V22a16 16 0 0 1 32 0v18" /><path d="M4 40h40M24 16v10M24 31v.5" /></svg>
  <strong>${title}</strong>${text && html`<p>${text}</p>`}${children}</div>`;

/** What was loaded, or what stands in for it. @param {{load: import("./load.js").Load, children: any}} props */
export function Loaded({ load, children }) {
  if (load.value === undefined) return load.fault ? html`<${Fault} fault=${load.fault} again=${load.again} />` : html`<${Waiting} />`;
  return html`${load.fault && html`<${Fault} fault=${load.fault} again=${load.again} />`}${children(load.value)}`;
}

/** @param {{caption: string, columns: Column[], rows: any[], id?: (row: any) => string}} props */
export function Table({ caption, columns, rows, id = (row) => row.id }) {
  const cell = (/** @type {Column} */ one, /** @type {any} */ row) =>
    one.head
      ? html`<th scope="row" role="rowheader" data-label=${one.title}><div>${one.cell(row)}</div></th>`
      : html`<td role="cell" class=${one.num ? "num" : ""} data-label=${one.title}><div>${one.cell(row)}</div></td>`;
  return html`<div class="card table"><div class="scroll" role="group" aria-label=${caption} tabindex="0">
    <table class="list" role="table"><caption class="unseen">${caption}</caption>
      <thead role="rowgroup"><tr role="row">${columns.map((one) => html`<th scope="col" role="columnheader" class=${one.num ? "num" : ""}>${one.title}</th>`)}</tr></thead>
      <tbody role="rowgroup">${rows.map((row) => html`<tr role="row" key=${id(row)} data-row=${id(row)}>${columns.map((one) => cell(one, row))}</tr>`)}</tbody>
    </table></div></div>`;
}

/** A list with its states and the button for older rows. @param {{pages: import("./load.js").Pages, caption: string, columns: Column[], empty: any}} props */
export function List({ pages, caption, columns, empty }) {
  const fault = pages.fault && html`<${Fault} fault=${pages.fault} again=${pages.again} />`;
  if (!pages.rows) return fault || html`<${Waiting} />`;
  return html`${fault}${pages.rows.length ? html`<${Table} caption=${caption} columns=${columns} rows=${pages.rows} />` : empty}
    ${pages.more && html`<div class="row"><button class="button" disabled=${pages.busy} onClick=${pages.next}>${d("more")}</button></div>`}`;
}

/** @param {{pairs: [string, any][]}} props pairs without a value are left out */
export const Facts = ({ pairs }) => html`<dl class="facts">${pairs.filter(([, value]) => value !== undefined && value !== null && value !== "").map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;

/** @param {string} text */
export async function copy(text) {
  await navigator.clipboard.writeText(text);
  toast(t("app.copied"));
}

/** A value that is shown once. @param {{label: string, value: string, about?: string}} props */
export function Secret({ label, value, about }) {
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  return html`<div class="field">
    <label for="secret-value">${label}</label>
    <div class="row secret"><input class="input" id="secret-value" ref=${field} readonly value=${value} onFocus=${() => field.current?.select()} />
      ${navigator.clipboard && html`<button type="button" class="button" onClick=${() => copy(value)}>${d("copy")}</button>`}</div>
    ${about && html`<p class="hint">${about}</p>`}
  </div>`;
}

/** Shown as long as it is rendered. @param {{title: string, close: () => void, children?: any}} props */
export function Dialog({ title, close, children }) {
  const box = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useLayoutEffect(() => {
    const before = /** @type {HTMLElement | null} */ (document.activeElement);
    box.current?.showModal();
    return () => before?.focus();
  }, []);
  return html`<dialog class="dialog" ref=${box} aria-labelledby="dialog-title" onClose=${close}>
    <header><h3 class="small-title" id="dialog-title">${title}</h3></header>${children}
  </dialog>`;
}

/** @param {{title: string, text: string, verb: string, act: () => void, close: () => void}} props */
export const Confirm = ({ title, text, verb, act, close }) => html`<${Dialog} title=${title} close=${close}>
  <p>${text}</p>
  <footer>
    <button class="button bare" onClick=${close}>${t("app.cancel")}</button>
    <button class="button bad" onClick=${() => { close(); act(); }}>${verb}</button>
  </footer>
</${Dialog}>`;

/** @param {import("../api.js").Bad} fault */
export const complain = (fault) => toast(fault.status ? fault.message : t("app.errors.network"), "bad");
