// What can be done with a finished run and with each of its pictures.
import { html } from "html";
import { useEffect, useState } from "preact/hooks";
import { call, local } from "../api.js";
import { t } from "../i18n.js";
import { usd } from "../money.js";
import { toast } from "../store.js";
import { edit, mask, model, references } from "./form.js";
import { shown } from "./lightbox.js";
import { isChosen, toggle } from "./selection.js";
import { coding } from "./snippets.js";
import { start, unique } from "./runs.js";

/** @typedef {import("./runs.js").Run} Run */

/** The body that made a task, without defaults that the model ignores. @param {any} request */
export function bodyOf(request) {
  return Object.fromEntries(Object.entries(request).filter(([name, value]) => value !== null && name !== "callback_url" && !(Array.isArray(value) && !value.length) && !(name === "output_compression" && request.output_format === "png")));
}

/** @param {{run: Run}} props */
export function Actions({ run }) {
  const request = run.task.request;
  if (!request) return null;
  return html`<p class="row actions">
    <button class="button tight" type="button" data-again onClick=${() => start(bodyOf(request))}>${t("playground.again")}</button>
    <button class="button tight" type="button" data-edit onClick=${() => editAgain(request)}>${t("playground.edit")}</button>
    <button class="button tight bare" type="button" data-code onClick=${() => (coding.value = bodyOf(request))}>${t("playground.code.open")}</button>
    ${run.task.status === "completed" && request.quality === "low" && html`<${Final} request=${request} />`}
  </p>`;
}

/** A draft that is liked, made once more in high: its price is on the button. @param {{request: any}} props */
function Final({ request }) {
  const [price, setPrice] = useState("");
  const body = { ...bodyOf(request), quality: "high" };
  useEffect(() => {
    call("/v1/images/quotes", { body }).then((found) => found.ok && setPrice(usd(found.value.expected)));
  }, []);
  return html`<button class="button main tight" type="button" data-final onClick=${() => start(body)}>${t("playground.final")}${price ? ` · ${price}` : ""}</button>`;
}

/** @param {any} request */
async function editAgain(request) {
  await edit(request);
  references.value = (request.image_urls ?? []).map((/** @type {string} */ url, /** @type {number} */ at) => kept(url, `${at + 1}`));
  mask.value = request.mask_url && references.value.length ? { url: request.mask_url, preview: "", of: references.value[0].key, marks: [] } : null;
  document.getElementById("pg-prompt")?.focus();
}

/** A link that the gateway knows already. @param {string} url @param {string} name @param {string} [preview] @returns {import("./form.js").Reference} */
function kept(url, name, preview = url) {
  return { key: unique(), name, state: "ready", url, preview: local(preview), fault: "" };
}

/** @param {any} image @param {string} name */
export function useAsReference(image, name) {
  const most = model.value.parameters.image_urls?.max ?? 16;
  if (references.value.length >= most) return toast(t("playground.references.full", { most }), "bad");
  references.value = [...references.value, kept(image.image_url, name, image.thumbnail_url ?? image.image_url)];
  toast(t("playground.references.used"));
}

/** @param {string} url @param {string} name */
export function save(url, name) {
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
}

/** @param {Run} run @param {number} at */
export function fileName(run, at) {
  const kind = run.task.result_data[at].mime_type.split("/")[1].replace("jpeg", "jpg");
  return `${run.id}-${at + 1}.${kind}`;
}

/** @param {{run: Run, image: any, at: number, gone: boolean, children?: any}} props */
export function PictureActions({ run, image, at, gone, children }) {
  if (gone) return html`<div class="picture">${children}</div>`;
  const place = { id: run.id, at };
  return html`<div class="picture">
      <button class="open" type="button" data-open aria-label=${t("playground.enlarge", { place: at + 1 })} onClick=${() => (shown.value = place)}>${children}</button>
      <label class="choose"><input type="checkbox" checked=${isChosen(place)} onChange=${() => toggle(place)} aria-label=${t("playground.selection.choose", { place: at + 1 })} data-choose /></label>
    </div>
    <figcaption class="row">
      <button class="button tight bare" type="button" data-use onClick=${() => useAsReference(image, fileName(run, at))}>${t("playground.use")}</button>
      <button class="button tight bare" type="button" onClick=${() => save(local(image.image_url), fileName(run, at))}>${t("playground.download")}</button>
    </figcaption>`;
}
