// What is selected: compared, saved as one zip with a JSON beside each image, starred, deleted.
import { downloadZip } from "client-zip";
import { html } from "html";
import { useState } from "preact/hooks";
import { localPath } from "../api.js";
import { t } from "../i18n.js";
import { showToast } from "../store.js";
import { fileNames, saveBlob } from "./files.js";
import { compared, loadSelected, refOf, selected, selectedIds } from "./images.js";
import { items } from "./items.js";
import { deleteTasks, isRunning, isStarred, toggleStars } from "./marks.js";

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

/** Those whose originals are still there; says so where some are not. @param {Image[]} images */
function withOriginals(images) {
  const now = Date.now() / 1000;
  const kept = images.filter(({ run }) => !run.task.results_expire_at || run.task.results_expire_at > now);
  const count = images.length - kept.length;
  if (count) showToast(t("playground.selection.expired", { count }), "bad");
  return kept;
}

async function compare() {
  const images = withOriginals(await loadSelected());
  if (images.length > 1) compared.value = images.slice(0, MAX_COMPARED).map(refOf);
}

const clear = () => {
  selected.value = [];
};

export function SelectionBar() {
  const [busy, setBusy] = useState(false);
  const count = selected.value.length;
  if (!count) return null;
  const save = async () => {
    setBusy(true);
    const images = withOriginals(await loadSelected());
    if (images.length) await saveZip(images);
    setBusy(false);
  };
  const ids = selectedIds();
  const marked = items.value.filter(({ id }) => ids.includes(id));
  const ended = ids.filter((id) => !isRunning(id));
  const comparable = count > 1 && count <= MAX_COMPARED;
  return html`
    <div class="selection" role="region" aria-label=${t("playground.selection.title")}>
      <span class="small" aria-live="polite">${t("playground.selection.count", { count })}</span>
      <button type="button" class="button tight" disabled=${!comparable} data-compare onClick=${compare}>
        ${t("playground.compare.open")}
      </button>
      <button type="button" class="button tight" disabled=${busy} aria-busy=${busy} data-zip onClick=${save}>
        ${t("playground.selection.zip")}
      </button>
      <button type="button" class="button tight" data-star-all onClick=${() => toggleStars(marked)}>
        ${t(marked.length && marked.every(isStarred) ? "playground.star.remove" : "playground.star.add")}
      </button>
      <button
        type="button"
        class="button tight bad"
        disabled=${!ended.length}
        data-delete-all
        onClick=${() => deleteTasks(ended)}
      >
        ${t("playground.delete.open")}
      </button>
      <button type="button" class="button tight bare" onClick=${clear}>${t("playground.selection.clear")}</button>
    </div>
  `;
}
