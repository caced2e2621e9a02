// Two to four images beside each other, or two of them under a slider; enlarged and moved together.
import { html } from "html";
import { useRef, useState } from "preact/hooks";
import { Dialog } from "../dialog.js";
import { t } from "../i18n.js";
import { ComparedImage, describeImage } from "./compare_image.js";
import { Slider } from "./compare_slider.js";
import { compared, findImages } from "./images.js";
import { useSize, useZoom, useZoomKeys, ZoomFrame, ZoomTools } from "./zoom.js";

/** @typedef {import("./images.js").Image} Image */
/** @typedef {import("./zoom_view.js").Zoom} Zoom */

const CAPTION_PX = 40;

const close = () => {
  compared.value = [];
};

export function CompareDialog() {
  const images = findImages(compared.value);
  if (images.length < 2) return null;
  return html`
    <${Dialog} title=${t("playground.compare.title")} className="viewer" closeButton onClose=${close}>
      <${Comparison} images=${images} />
    <//>
  `;
}

/** @param {{images: Image[]}} props */
function Comparison({ images }) {
  const [mode, setMode] = useState(images.length === 2 ? "slider" : "beside");
  const zoom = useZoom(true);
  useZoomKeys(zoom);
  const button = (/** @type {string} */ name) => html`
    <button
      type="button"
      class="button tight"
      aria-pressed=${mode === name}
      data-mode=${name}
      onClick=${() => setMode(name)}
    >${t(`playground.compare.${name}`)}</button>
  `;
  return html`
    <div class="viewer-tools">
      <div class="viewer-modes" role="group" aria-label=${t("playground.compare.title")}>
        ${button("beside")}${button("slider")}
      </div>
      <${ZoomTools} zoom=${zoom} />
    </div>
    <${mode === "beside" ? SideBySide : Slider} zoom=${zoom} images=${images} onBeside=${close} />
  `;
}

/** @param {{zoom: Zoom, images: Image[], onBeside: () => void}} props */
function SideBySide({ images, ...others }) {
  const box = useRef(/** @type {HTMLUListElement | null} */ (null));
  const size = useSize(box);
  const columns = size ? bestColumns(images, size) : images.length;
  return html`
    <ul class="beside" ref=${box} style=${{ gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))` }}>
      ${images.map((image) => html`<${Figure} key=${image.run.id + image.index} image=${image} ...${others} />`)}
    </ul>
  `;
}

/** How many beside each other show them largest. @param {Image[]} images @param {import("./zoom.js").Size} size */
function bestColumns(images, { width, height }) {
  const { width: imageWidth, height: imageHeight } = images[0].result;
  const scaleOf = (/** @type {number} */ columns) => {
    const rows = Math.ceil(images.length / columns);
    return Math.min(width / columns / imageWidth, (height / rows - CAPTION_PX) / imageHeight);
  };
  const counts = images.map((_, index) => index + 1);
  return counts.reduce((best, columns) => (scaleOf(columns) > scaleOf(best) ? columns : best));
}

/** @param {{zoom: Zoom, image: Image, onBeside: () => void}} props */
function Figure({ image, ...others }) {
  const about = describeImage(image);
  const { width, height } = image.result;
  return html`
    <li>
      <figure>
        <${ZoomFrame} width=${width} height=${height} ...${others}><${ComparedImage} image=${image} /><//>
        <figcaption class="small" title=${about}>${about}</figcaption>
      </figure>
    </li>
  `;
}
