// One image enlarged, with its neighbours a key away.
import { html } from "html";
import { useEffect, useState } from "preact/hooks";
import { localPath } from "../api.js";
import { Dialog } from "../dialog.js";
import { t } from "../i18n.js";
import { showToast } from "../store.js";
import { saveImage } from "./files.js";
import { allImages, enlarged, findImage, refOf } from "./images.js";

/** @typedef {import("./images.js").Image} Image */

const MAX_ZOOM = 8;

const close = () => {
  enlarged.value = null;
};

export function Lightbox() {
  const image = enlarged.value && findImage(enlarged.value);
  if (!image) return null;
  return html`
    <${Dialog} title=${imageTitle(image)} className="pg-dialog wide" closeButton onClose=${close}>
      <${Enlarged} image=${image} />
    <//>
  `;
}

/** @param {Image} image */
const imageTitle = (image) => t("playground.image_title", { number: image.index + 1 });

/** @param {number} by */
function step(by) {
  const images = allImages();
  const { id, index } = enlarged.value ?? {};
  const current = images.findIndex((image) => image.run.id === id && image.index === index);
  const next = images[(current + by + images.length) % images.length];
  if (next) enlarged.value = refOf(next);
}

/** @param {{image: Image}} props */
function Enlarged({ image }) {
  const [zoom, setZoom] = useState(1);
  const { run, result } = image;
  const url = localPath(result.image_url);
  const zoomIn = () => setZoom((old) => Math.min(old * 2, MAX_ZOOM));
  const zoomOut = () => setZoom((old) => Math.max(old / 2, 1));
  const reset = () => setZoom(1);
  useKeys({ ArrowLeft: previous, ArrowRight: next, "+": zoomIn, "=": zoomIn, "-": zoomOut, 0: reset });
  useEffect(reset, [result.image_url]);
  return html`
    <div class="row large-tools">
      <${Tool} text="←" label=${t("playground.previous")} onClick=${previous} />
      <${Tool} text="→" label=${t("playground.next")} onClick=${next} />
      <${Tool} text="−" label=${t("playground.zoom_out")} onClick=${zoomOut} />
      <span class="small soft" aria-live="polite">${zoom * 100} %</span>
      <${Tool} text="+" label=${t("playground.zoom_in")} onClick=${zoomIn} />
      <${Tool} text=${t("playground.copy_image")} onClick=${() => copyImage(url)} />
      <${Tool} text=${t("playground.download")} onClick=${() => saveImage(image)} />
      <span class="small soft">${result.width} × ${result.height}</span>
    </div>
    <div class="large" tabindex="0" role="region" aria-label=${imageTitle(image)}>
      <img
        class=${`zoom-${zoom}`}
        src=${url}
        width=${result.width}
        height=${result.height}
        alt=${run.task.request?.prompt ?? ""}
        onDblClick=${() => setZoom(zoom === 1 ? 2 : 1)}
      />
    </div>
  `;
}

const previous = () => step(-1);
const next = () => step(1);

/** @param {{text: string, label?: string, onClick: () => void}} props */
const Tool = ({ text, label, onClick }) =>
  html`<button type="button" class="button tight" onClick=${onClick} aria-label=${label}>${text}</button>`;

/** @param {Record<string, () => void>} actions by key; those of the first rendering stay */
function useKeys(actions) {
  useEffect(() => {
    const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
      if (event.ctrlKey || event.metaKey || !actions[event.key]) return;
      event.preventDefault();
      actions[event.key]();
    };
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  }, []);
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
