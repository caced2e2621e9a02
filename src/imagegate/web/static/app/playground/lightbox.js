// One image enlarged, with its neighbours in the gallery a key away.
import { html } from "html";
import { useEffect, useState } from "preact/hooks";
import { localPath } from "../api.js";
import { Dialog } from "../dialog.js";
import { t } from "../i18n.js";
import { showToast } from "../store.js";
import { saveImage } from "./files.js";
import { enlarged, findImage, refOf } from "./images.js";
import { items, opened, openItem, promptOf } from "./items.js";
import { findNeighbour, hasNeighbour } from "./neighbours.js";
import { IconTool, useZoom, useZoomKeys, ZoomFrame, ZoomTools } from "./zoom.js";

/** @typedef {import("./images.js").Image} Image */

const SWIPE_PX = 60;

/** What was looked at last is what the drawer shows. */
function close() {
  const item = items.value.find((one) => one.id === enlarged.value?.id);
  enlarged.value = null;
  if (item && opened.value && opened.value !== item.key) openItem(item);
}

export function Lightbox() {
  const image = enlarged.value && findImage(enlarged.value);
  if (!image) return null;
  return html`
    <${Dialog} title=${imageTitle(image)} className="viewer" closeButton onClose=${close}>
      <${Enlarged} image=${image} />
    <//>
  `;
}

/** @param {Image} image */
function imageTitle({ run, index }) {
  const count = run.task.result_data.length;
  return count > 1 ? t("playground.image_title", { number: index + 1, count }) : t("playground.image_alone");
}

/** @param {number} by */
async function step(by) {
  const from = enlarged.value;
  const next = from && (await findNeighbour(from, by));
  // Not after another step, or the end.
  if (next && enlarged.value === from) enlarged.value = next;
}
const previous = () => step(-1);
const next = () => step(1);
const swipe = (/** @type {number} */ dx) => Math.abs(dx) > SWIPE_PX && step(dx > 0 ? -1 : 1);

/** @param {{image: Image}} props */
function Enlarged({ image }) {
  const zoom = useZoom();
  const { result } = image;
  useZoomKeys(zoom, { ArrowLeft: previous, ArrowRight: next });
  const ref = refOf(image);
  const key = `${ref.id}-${ref.index}`;
  useEffect(zoom.reset, [key]);
  const arrows = () => html`
    <div class="viewer-steps">
      <${IconTool} text="‹" label=${t("playground.previous")} onClick=${previous} isOff=${!hasNeighbour(ref, -1)} />
      <${IconTool} text="›" label=${t("playground.next")} onClick=${next} isOff=${!hasNeighbour(ref, 1)} />
    </div>
  `;
  return html`
    <div class="viewer-tools"><${ZoomTools} zoom=${zoom} /><${ImageTools} image=${image} /></div>
    <${ZoomFrame}
      zoom=${zoom}
      width=${result.width}
      height=${result.height}
      onBeside=${close}
      onSwipe=${swipe}
      overlay=${arrows}
    ><${Original} key=${key} image=${image} /><//>
    <${Caption} image=${image} />
  `;
}

/** The original, over its thumbnail until it has come. @param {{image: Image}} props */
function Original({ image }) {
  const [isLost, setLost] = useState(false);
  const { image_url: url, thumbnail_url: thumbnail, width, height } = image.result;
  const lost = () => setLost(true);
  const alt = promptOf(image);
  const original = { src: localPath(url), width, height };
  return html`
    ${thumbnail && html`<img class="under" src=${localPath(thumbnail)} alt=${isLost ? alt : ""} />`}
    ${
      isLost
        ? html`<p class="viewer-lost" role="alert">${t("playground.expired")}</p>`
        : html`<img ...${original} alt=${alt} draggable=${false} onError=${lost} data-original />`
    }
  `;
}

/** @param {{image: Image}} props */
function ImageTools({ image }) {
  const { clipboard } = navigator; // absent on plain http
  const url = localPath(image.result.image_url);
  return html`
    <div class="row">
      ${clipboard && html`<${Tool} text=${t("playground.copy_image")} onClick=${() => copyImage(url)} />`}
      <${Tool} text=${t("playground.download")} onClick=${() => saveImage(image)} />
    </div>
  `;
}

/** @param {{text: string, onClick: () => void}} props */
const Tool = ({ text, onClick }) =>
  html`<button type="button" class="button tight" onClick=${onClick}>${text}</button>`;

/** @param {{image: Image}} props */
function Caption({ image }) {
  const prompt = promptOf(image);
  const { width, height } = image.result;
  return html`
    <p class="viewer-caption small">
      <span class="soft num">${width} × ${height}</span>
      <span class="viewer-prompt" title=${prompt}>${prompt}</span>
    </p>
  `;
}

/** The clipboard takes PNG only. @param {string} url */
async function copyImage(url) {
  try {
    const bitmap = await createImageBitmap(await (await fetch(url)).blob());
    const canvas = document.createElement("canvas");
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
    const png = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    await navigator.clipboard.write([new ClipboardItem({ "image/png": png })]);
    showToast(t("app.copied"));
  } catch {
    showToast(t("playground.no_clipboard"), "bad");
  }
}
