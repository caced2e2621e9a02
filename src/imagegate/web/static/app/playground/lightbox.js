// One picture large, with its neighbours a key away; and two to four beside each other.
import { signal } from "@preact/signals";
import { html } from "html";
import { useEffect, useState } from "preact/hooks";
import { local } from "../api.js";
import { t } from "../i18n.js";
import { toast } from "../store.js";
import { fileName, save } from "./actions.js";
import { Modal } from "./modal.js";
import { runs } from "./runs.js";

/** @typedef {{id: string, at: number}} Place a picture of a task */

export const shown = signal(/** @type {Place | null} */ (null));
export const comparing = signal(/** @type {Place[]} */ ([]));

/** Every picture in sight, in the order of the cards. */
function all() {
  return runs.value.flatMap((run) => (run.task?.result_data ?? []).map((/** @type {any} */ image, /** @type {number} */ at) => ({ run, image, at })));
}

/** @param {Place} one */
export const find = (one) => all().find(({ run, at }) => run.id === one.id && at === one.at);

export function Lightbox() {
  const found = shown.value && find(shown.value);
  return found && html`<${Modal} title=${t("playground.picture_short", { place: found.at + 1 })} wide onClose=${() => (shown.value = null)}><${Large} found=${found} /><//>`;
}

/** @param {number} by */
function step(by) {
  const list = all();
  const here = list.findIndex(({ run, at }) => run.id === shown.value?.id && at === shown.value?.at);
  const next = list[(here + by + list.length) % list.length];
  if (next) shown.value = { id: next.run.id, at: next.at };
}

/** @param {{found: any}} props */
function Large({ found }) {
  const [zoom, setZoom] = useState(1);
  const { run, image, at } = found;
  useEffect(() => {
    const keyed = (/** @type {KeyboardEvent} */ event) => {
      /** @type {Record<string, () => void>} */
      const moves = { ArrowLeft: () => step(-1), ArrowRight: () => step(1), "+": () => setZoom((one) => Math.min(one * 2, 8)), "=": () => setZoom((one) => Math.min(one * 2, 8)), "-": () => setZoom((one) => Math.max(one / 2, 1)), "0": () => setZoom(1) };
      if (event.ctrlKey || event.metaKey || !moves[event.key]) return;
      event.preventDefault();
      moves[event.key]();
    };
    document.addEventListener("keydown", keyed);
    return () => document.removeEventListener("keydown", keyed);
  }, []);
  useEffect(() => setZoom(1), [image.image_url]);
  return html`<div class="row large-tools">
      <button type="button" class="button tight" onClick=${() => step(-1)} aria-label=${t("playground.previous")}>←</button>
      <button type="button" class="button tight" onClick=${() => step(1)} aria-label=${t("playground.next")}>→</button>
      <button type="button" class="button tight" onClick=${() => setZoom(Math.max(zoom / 2, 1))} aria-label=${t("playground.zoom_out")}>−</button>
      <span class="small soft" aria-live="polite">${zoom * 100} %</span>
      <button type="button" class="button tight" onClick=${() => setZoom(Math.min(zoom * 2, 8))} aria-label=${t("playground.zoom_in")}>+</button>
      <button type="button" class="button tight" onClick=${() => copy(local(image.image_url))}>${t("playground.copy_image")}</button>
      <button type="button" class="button tight" onClick=${() => save(local(image.image_url), fileName(run, at))}>${t("playground.download")}</button>
      <span class="small soft">${image.width} × ${image.height}</span>
    </div>
    <div class="large" tabindex="0" role="region" aria-label=${t("playground.picture_short", { place: at + 1 })}>
      <img class=${`zoom-${zoom}`} src=${local(image.image_url)} width=${image.width} height=${image.height} alt=${run.task.request?.prompt ?? ""} onDblClick=${() => setZoom(zoom === 1 ? 2 : 1)} />
    </div>`;
}

/** The clipboard takes PNG alone. @param {string} url */
async function copy(url) {
  try {
    const bitmap = await createImageBitmap(await (await fetch(url)).blob());
    const canvas = document.createElement("canvas");
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
    const png = await new Promise((done) => canvas.toBlob(done, "image/png"));
    await navigator.clipboard.write([new ClipboardItem({ "image/png": png })]);
    toast(t("app.copied"));
  } catch {
    toast(t("playground.no_clipboard"), "bad");
  }
}

export function Compare() {
  const found = comparing.value.map(find).filter(Boolean);
  return found.length > 1 && html`<${Modal} title=${t("playground.compare.title")} wide onClose=${() => (comparing.value = [])}><${Compared} list=${found} /><//>`;
}

/** @param {any} run @param {any} image */
const about = (run, image) => [run.task.request?.quality, `${image.width} × ${image.height}`, run.task.request?.prompt.slice(0, 80)].filter(Boolean).join(" · ");

/** @param {{list: any[]}} props */
function Compared({ list }) {
  const [mode, setMode] = useState(list.length === 2 ? "slider" : "beside");
  const button = (/** @type {string} */ name) => html`<button type="button" class="button tight" aria-pressed=${mode === name} data-mode=${name} onClick=${() => setMode(name)}>${t(`playground.compare.${name}`)}</button>`;
  return html`<p class="row">${button("beside")}${button("slider")}</p>${mode === "beside" ? html`<${Beside} list=${list} />` : html`<${Slider} list=${list} />`}`;
}

/** @param {{list: any[]}} props */
function Beside({ list }) {
  return html`<ul class=${`beside of-${list.length}`}>${list.map(({ run, image, at }) => html`<li key=${run.id + at}><figure><img src=${local(image.image_url)} width=${image.width} height=${image.height} alt=${about(run, image)} /><figcaption class="small">${about(run, image)}</figcaption></figure></li>`)}</ul>`;
}

/** Two of them over each other; which two is chosen where there are more. @param {{list: any[]}} props */
function Slider({ list }) {
  const [cut, setCut] = useState(50);
  const [sides, setSides] = useState([0, 1]);
  const [left, right] = sides.map((at) => list[at]);
  const side = (/** @type {number} */ place, /** @type {string} */ name) => list.length === 2
    ? html`<p class="small">${t(`playground.compare.${name}`)}: <span class="soft">${about(list[place].run, list[place].image)}</span></p>`
    : html`<label class="row small">${t(`playground.compare.${name}`)} <select class="input tight" data-side=${name} onChange=${(/** @type {any} */ event) => setSides(sides.map((old, at) => (at === place ? Number(event.target.value) : old)))}>
      ${list.map((one, at) => html`<option key=${at} value=${at} selected=${at === sides[place]}>${at + 1} · ${about(one.run, one.image)}</option>`)}
    </select></label>`;
  return html`<div class="slider">
    <div class="slider-sheet">
      <img src=${local(right.image.image_url)} width=${right.image.width} height=${right.image.height} alt=${about(right.run, right.image)} />
      <img class="over" src=${local(left.image.image_url)} alt=${about(left.run, left.image)} style=${{ clipPath: `inset(0 ${100 - cut}% 0 0)` }} />
      <span class="slider-edge" style=${{ left: `${cut}%` }} aria-hidden="true"></span>
    </div>
    <input type="range" min="0" max="100" value=${cut} aria-label=${t("playground.compare.slider")} onInput=${(/** @type {any} */ event) => setCut(Number(event.target.value))} />
    ${side(0, "left")}${side(1, "right")}
  </div>`;
}
