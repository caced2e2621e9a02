// The reference with the mask over it, and the brush: its outline follows the pointer, and the arrow keys.
import { html } from "html";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { localPath } from "../api.js";
import { t } from "../i18n.js";
import { ZoomFrame } from "./zoom.js";
import { pointOf } from "./zoom_view.js";

/** @typedef {import("./mask_strokes.js").MaskCanvas} MaskCanvas */
/** @typedef {import("./zoom.js").Place} Place */
/** @typedef {import("./zoom_view.js").View} View */
/** @typedef {import("./zoom_view.js").Geometry} Geometry */
/** @typedef {{url: string, name: string, width: number, height: number}} LoadedImage   as the browser has read it */

/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** @param {{canvas: MaskCanvas, loaded: LoadedImage, zoom: import("./zoom_view.js").Zoom}} props */
export function MaskSheet({ canvas, loaded, zoom }) {
  const { url, name, width, height } = loaded;
  const [place, setPlace] = useState(/** @type {Place} */ ({ x: 0.5, y: 0.5 }));
  const [isOver, setOver] = useState(false);
  const onHover = (/** @type {Place | null} */ found) => {
    setOver(found !== null && canvas.tool.value !== "hand");
    if (found) setPlace(found);
  };
  const brush = (/** @type {View} */ view, /** @type {Geometry} */ geometry) => {
    const { sheet } = geometry;
    const width = (canvas.widthPercent.value / 100) * Math.min(sheet.width, sheet.height) * view.scale;
    const point = pointOf(place, view, geometry);
    const move = (/** @type {Place} */ next) => {
      setPlace(next);
      zoom.reveal(next);
    };
    return html`<${Brush} ...${{ canvas, place, move, isOver, point, width }} />`;
  };
  const isHand = canvas.tool.value === "hand";
  return html`
    <div class=${`mask-stage ${isHand ? "" : "painting"}`}>
      <${ZoomFrame}
        zoom=${zoom}
        width=${width}
        height=${height}
        togglesOnDoubleClick=${isHand}
        onGrip=${(/** @type {Place} */ start) => (isHand ? null : gripBrush(canvas, start))}
        onHover=${onHover}
        overlay=${brush}
      >
        <img src=${localPath(url)} alt=${name} draggable=${false} />
        <${Drawing} canvas=${canvas} width=${width} height=${height} />
      <//>
    </div>
  `;
}

/** @param {{canvas: MaskCanvas, width: number, height: number}} props */
function Drawing({ canvas, width, height }) {
  const element = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  useLayoutEffect(() => {
    if (element.current) canvas.attach(element.current, width, height);
  }, []);
  return html`<canvas ref=${element} role="img" aria-label=${t("playground.mask.title")}></canvas>`;
}

/** @param {MaskCanvas} canvas @param {Place} start */
function gripBrush(canvas, { x, y }) {
  canvas.beginStroke(x, y);
  return {
    move: (/** @type {Place} */ place) => canvas.extendStroke(place.x, place.y),
    end: () => canvas.endStroke(),
    cancel: () => canvas.cancelStroke(),
  };
}

/**
 * The brush's outline, and the brush for those who use keys: a step is half its width.
 * @param {{canvas: MaskCanvas, place: Place, move: (place: Place) => void, isOver: boolean, point: Place,
 *   width: number}} props   `point`, `width`: in CSS pixels of the frame
 */
function Brush({ canvas, place, move, isOver, point, width }) {
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.shiftKey || event.ctrlKey || event.metaKey) return;
    if (ARROWS[event.key]) move(nextPlace(place, ARROWS[event.key], canvas.widthPercent.value / 200));
    else if (event.key === " " || event.key === "Enter") {
      canvas.beginStroke(place.x, place.y);
      canvas.endStroke();
    } else return;
    event.preventDefault();
  };
  const style = { left: `${point.x}px`, top: `${point.y}px`, width: `${width}px` };
  return html`
    <button
      type="button"
      class=${`mask-cursor ${isOver ? "over" : ""}`}
      aria-label=${t("playground.mask.cursor")}
      aria-describedby="pg-mask-keys"
      style=${style}
      onKeyDown=${onKeyDown}
    ></button>
  `;
}

/** @param {Place} place @param {[number, number]} direction @param {number} size */
function nextPlace({ x, y }, [dx, dy], size) {
  const clamp = (/** @type {number} */ value) => Math.min(1, Math.max(0, value));
  return { x: clamp(x + dx * size), y: clamp(y + dy * size) };
}
