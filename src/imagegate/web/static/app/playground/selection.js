// Chosen pictures: compared with each other, or taken home as one zip with a JSON beside each image.
import { signal } from "@preact/signals";
import { downloadZip } from "client-zip";
import { html } from "html";
import { useState } from "preact/hooks";
import { local } from "../api.js";
import { t } from "../i18n.js";
import { toast } from "../store.js";
import { fileName, save } from "./actions.js";
import { comparing, find } from "./lightbox.js";

/** @typedef {import("./lightbox.js").Place} Place */

const MOST_COMPARED = 4;
export const chosen = signal(/** @type {Place[]} */ ([]));

/** @param {Place} one */
export const isChosen = (one) => chosen.value.some(({ id, at }) => id === one.id && at === one.at);

/** @param {Place} one */
export function toggle(one) {
  chosen.value = isChosen(one) ? chosen.value.filter(({ id, at }) => id !== one.id || at !== one.at) : [...chosen.value, one];
}

/** Picture and facts, one pair after the other. @returns {AsyncGenerator<{name: string, input: any}>} */
async function* entries() {
  for (const place of chosen.value) {
    const found = find(place);
    if (!found) continue;
    const { run, image, at } = found;
    const reply = await fetch(local(image.image_url));
    if (!reply.ok) throw new Error(String(reply.status));
    const name = fileName(run, at);
    yield { name, input: await reply.blob() };
    const { request, usage, billing, attempts, created, id, model, duration } = run.task;
    yield { name: name.replace(/\.\w+$/, ".json"), input: JSON.stringify({ id, model, created, duration, file: name, request, output: image, usage, billing, attempts }, null, 2) };
  }
}

async function download() {
  try {
    const url = URL.createObjectURL(await downloadZip(entries()).blob());
    save(url, "imagegate.zip");
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  } catch {
    toast(t("playground.selection.failed"), "bad");
  }
}

export function Selection() {
  const [busy, setBusy] = useState(false);
  const list = chosen.value.filter(find);
  if (!list.length) return null;
  const pack = async () => {
    setBusy(true);
    await download();
    setBusy(false);
  };
  return html`<div class="selection" role="region" aria-label=${t("playground.selection.title")}>
    <span class="small" aria-live="polite">${t("playground.selection.count", { count: list.length })}</span>
    <button type="button" class="button tight" disabled=${list.length < 2 || list.length > MOST_COMPARED} data-compare onClick=${() => (comparing.value = list)}>${t("playground.compare.open")}</button>
    <button type="button" class="button tight" disabled=${busy} data-zip onClick=${pack}>${t("playground.selection.zip")}</button>
    <button type="button" class="button tight bare" onClick=${() => (chosen.value = [])}>${t("playground.selection.clear")}</button>
  </div>`;
}
