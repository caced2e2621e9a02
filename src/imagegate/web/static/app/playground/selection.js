// Selected images: compared with each other, or saved as one zip with a JSON beside each image.
import { downloadZip } from "client-zip";
import { html } from "html";
import { useState } from "preact/hooks";
import { localPath } from "../api.js";
import { t } from "../i18n.js";
import { showToast } from "../store.js";
import { fileNames, saveBlob } from "./files.js";
import { compared, findImages, refOf, selected } from "./images.js";

/** @typedef {import("./images.js").Image} Image */

const MAX_COMPARED = 4;

/** Image and facts, one pair after the other. @param {Image[]} images */
async function* zipEntries(images) {
  const names = fileNames(images);
  for (const [at, image] of images.entries()) {
    const response = await fetch(localPath(image.result.image_url));
    if (!response.ok) throw new Error(String(response.status));
    const name = names[at];
    yield { name, input: await response.blob() };
    const { id, model, created, duration, request, usage, billing, attempts } = image.run.task;
    const facts = { id, model, created, duration, file: name, request, output: image.result, usage, billing, attempts };
    yield { name: name.replace(/\.\w+$/, ".json"), input: JSON.stringify(facts, null, 2) };
  }
}

/** @param {Image[]} images */
async function saveZip(images) {
  try {
    saveBlob(await downloadZip(zipEntries(images)).blob(), "imagegate.zip");
  } catch {
    showToast(t("playground.selection.failed"), "bad");
  }
}

export function SelectionBar() {
  const [busy, setBusy] = useState(false);
  const images = findImages(selected.value);
  if (!images.length) return null;
  const save = async () => {
    setBusy(true);
    await saveZip(images);
    setBusy(false);
  };
  const compare = () => {
    compared.value = images.map(refOf);
  };
  const clear = () => {
    selected.value = [];
  };
  const comparable = images.length > 1 && images.length <= MAX_COMPARED;
  return html`
    <div class="selection" role="region" aria-label=${t("playground.selection.title")}>
      <span class="small" aria-live="polite">${t("playground.selection.count", { count: images.length })}</span>
      <button type="button" class="button tight" disabled=${!comparable} data-compare onClick=${compare}>
        ${t("playground.compare.open")}
      </button>
      <button type="button" class="button tight" disabled=${busy} data-zip onClick=${save}>
        ${t("playground.selection.zip")}
      </button>
      <button type="button" class="button tight bare" onClick=${clear}>${t("playground.selection.clear")}</button>
    </div>
  `;
}
