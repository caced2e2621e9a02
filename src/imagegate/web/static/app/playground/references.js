// References: dropped, picked, pasted or named by URL; kept by the gateway, in the order of the request.
import { html } from "html";
import { useEffect, useState } from "preact/hooks";
import { call, local } from "../api.js";
import { number, t } from "../i18n.js";
import { account, signingIn, toast } from "../store.js";
import { mask, masked, model, references } from "./form.js";
import { advice } from "./faults.js";
import { unique } from "./runs.js";
import { masking } from "./mask.js";

/** @typedef {import("./form.js").Reference} Reference */

const UPLOAD = "/api/v1/files/upload";
const TYPES = ["image/png", "image/jpeg", "image/webp"];

const most = () => model.value.parameters.image_urls?.max ?? 16;

/** @param {string} key @param {Partial<Reference>} changes */
function patch(key, changes) {
  references.value = references.value.map((one) => (one.key === key ? { ...one, ...changes } : one));
}

/** @param {string} name @param {string} preview @returns {Reference | null} null where there is no room */
function place(name, preview) {
  if (references.value.length >= most()) {
    toast(t("playground.references.full", { most: most() }), "bad");
    return null;
  }
  const one = { key: unique(), name, state: /** @type {const} */ ("loading"), url: "", preview, fault: "" };
  references.value = [...references.value, one];
  return one;
}

/** @param {Iterable<File>} files */
export function addFiles(files) {
  if (!account.value) {
    signingIn.value = true;
    return;
  }
  for (const file of files) {
    const one = place(file.name, TYPES.includes(file.type) ? URL.createObjectURL(file) : "");
    if (one) upload(one.key, file);
  }
}

/** @param {string} key @param {File} file */
async function upload(key, file) {
  const form = new FormData();
  form.append("file", file, file.name);
  settle(key, await call(`${UPLOAD}/stream`, { form }));
}

/** @param {string} address */
async function addAddress(address) {
  const one = place(address.split("/").pop()?.slice(0, 60) || address, "");
  if (one) settle(one.key, await call(`${UPLOAD}/url`, { body: { file_url: address } }));
}

/** @param {string} key @param {import("../api.js").Good | import("../api.js").Bad} reply */
function settle(key, reply) {
  const old = references.value.find((one) => one.key === key);
  if (!old) return;
  if (!reply.ok) return patch(key, { state: "bad", fault: `${reply.status ? reply.message : t("app.errors.network")} ${advice(reply.code)}` });
  const { file_url: url, mime_type: kind } = reply.value.data;
  if (!TYPES.includes(kind)) return patch(key, { state: "bad", preview: "", fault: t("playground.references.kind", { kind }) });
  if (old.preview.startsWith("blob:")) URL.revokeObjectURL(old.preview);
  patch(key, { state: "ready", url, preview: local(url) });
}

/** @param {number} from @param {number} to */
function move(from, to) {
  if (to < 0 || to >= references.value.length || from === to) return;
  const list = [...references.value];
  list.splice(to, 0, ...list.splice(from, 1));
  references.value = list;
}

/** @param {Reference} one */
function remove(one) {
  references.value = references.value.filter((other) => other.key !== one.key);
  if (mask.value?.of === one.key) mask.value = null;
}

/** Pictures in the clipboard become references, wherever the focus is. @param {ClipboardEvent} event */
function pasted(event) {
  const files = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
  if (!files.length || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  addFiles(files);
}

export function References() {
  const [over, setOver] = useState(false);
  useEffect(() => {
    document.addEventListener("paste", pasted);
    return () => document.removeEventListener("paste", pasted);
  }, []);
  const list = references.value;
  const drop = (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    setOver(false);
    if (event.dataTransfer?.files.length) addFiles(event.dataTransfer.files);
  };
  const hover = (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    setOver(true);
  };
  return html`<fieldset class=${`references ${over ? "over" : ""}`} onDragOver=${hover} onDragLeave=${() => setOver(false)} onDrop=${drop}>
    <legend class="label">${t("playground.references.title")} <span class="soft">${number(list.length)} / ${number(most())}</span></legend>
    ${list.length > 0 && html`<ol class="thumbs">${list.map((one, at) => html`<${Thumb} key=${one.key} one=${one} at=${at} count=${list.length} />`)}</ol>`}
    <${Add} />
    ${mask.value && html`<p class="small row" data-mask-on=${String(masked.value)}>${mask.value.preview && html`<img class="mask-small" src=${mask.value.preview} alt="" width="40" height="40" />`}<span class=${masked.value ? "" : "fault-text"}>${t(masked.value ? "playground.mask.on" : "playground.mask.off")}</span><button type="button" class="button tight bare" onClick=${() => (mask.value = null)}>${t("playground.mask.remove")}</button></p>`}
  </fieldset>`;
}

function Add() {
  const [address, setAddress] = useState("");
  const send = () => {
    if (!address.trim()) return;
    addAddress(address.trim());
    setAddress("");
  };
  const keyed = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Enter" || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    send();
  };
  const picked = (/** @type {any} */ event) => {
    addFiles([...event.target.files]);
    event.target.value = "";
  };
  return html`<div class="add">
    <label class="button tight pick-file"><input type="file" class="unseen" accept=${TYPES.join(",")} multiple onChange=${picked} data-files />${t("playground.references.pick")}</label>
    <input class="input tight" type="url" placeholder=${t("playground.references.url")} aria-label=${t("playground.references.url")} value=${address} onInput=${(/** @type {any} */ event) => setAddress(event.target.value)} onKeyDown=${keyed} />
    <button class="button tight" type="button" disabled=${!address.trim()} onClick=${send}>${t("playground.references.add")}</button>
  </div>
  <p class="small soft">${t("playground.references.about", { size: number((model.value.parameters.image_urls?.max_bytes ?? 52428800) / 1048576) })}</p>`;
}

/** @param {{one: Reference, at: number, count: number}} props */
function Thumb({ one, at, count }) {
  const keyed = (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (event.key === "Delete" || event.key === "Backspace") remove(one);
    else if (step) move(at, at + step);
    else return;
    event.preventDefault();
  };
  const taken = (/** @type {DragEvent} */ event) => event.dataTransfer?.setData("application/x-place", String(at));
  const put = (/** @type {DragEvent} */ event) => {
    const from = event.dataTransfer?.getData("application/x-place");
    if (!from) return;
    event.preventDefault();
    event.stopPropagation();
    move(Number(from), at);
  };
  return html`<li class=${`thumb ${one.state}`} draggable onDragStart=${taken} onDragOver=${(/** @type {Event} */ event) => event.preventDefault()} onDrop=${put} data-reference=${one.state}>
    <div class="thumb-face" tabindex="0" role="group" aria-roledescription=${t("playground.references.movable")} aria-label=${t("playground.references.place", { place: at + 1, count, name: one.name })} onKeyDown=${keyed}>
      ${one.preview ? html`<img src=${one.preview} alt="" width="72" height="72" draggable=${false} onError=${() => patch(one.key, { preview: "" })} />` : html`<span class=${one.state === "loading" ? "skeleton" : "gone"}>${one.state === "bad" ? "!" : ""}</span>`}
      <b>${at + 1}</b>
    </div>
    <button type="button" class="thumb-remove" aria-label=${t("playground.references.remove", { name: one.name })} onClick=${() => remove(one)}>✕</button>
    ${at === 0 && one.state === "ready" && model.value.parameters.mask_url && html`<button type="button" class="button tight thumb-mask" data-mask onClick=${() => (masking.value = one)}>${t("playground.mask.open")}</button>`}
    ${one.fault && html`<p class="small fault-text" role="alert">${one.name}: ${one.fault}</p>`}
  </li>`;
}
