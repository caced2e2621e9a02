// An image in a frame that wheel, pinch, drag, double click and keys enlarge and move; and the buttons for it.
import { html } from "html";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { t } from "../i18n.js";
import { Gestures } from "./zoom_gestures.js";
import { clampView, fitImage, placeOf, Zoom } from "./zoom_view.js";

/**
 * @typedef {import("./zoom_view.js").Size} Size
 * @typedef {import("./zoom_view.js").Point} Place   of an image, in fractions of it
 * @typedef {import("./zoom_view.js").View} View
 * @typedef {import("./zoom_view.js").Geometry} Geometry
 * @typedef {{move: (place: Place) => void, end: () => void, cancel: () => void}} PlaceGrip
 * @typedef {(place: Place, view: View, geometry: Geometry) => PlaceGrip | null} OnGrip   null: the pointer pans
 */

// From here on the image's own pixels are what one wants to see.
const PIXELATED_FROM = 3;
const TEXT_FIELDS = ["SELECT", "TEXTAREA"];

/** @param {boolean} [enlarges] whether a small image fills its frame */
export const useZoom = (enlarges) => useState(() => new Zoom(enlarges))[0];

/** @param {import("preact").RefObject<HTMLElement | null>} box @returns {Size | null} null until it was measured */
export function useSize(box) {
  const [size, setSize] = useState(/** @type {Size | null} */ (null));
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const measure = () => setSize({ width: element.clientWidth, height: element.clientHeight });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return size;
}

/**
 * @param {{
 *   zoom: Zoom, width: number, height: number,
 *   onGrip?: OnGrip, onHover?: (place: Place | null) => void, onSwipe?: (dx: number) => void, onBeside?: () => void,
 *   togglesOnDoubleClick?: boolean, overlay?: (view: View, geometry: Geometry) => any, children?: any,
 * }} props   width, height: of the image; `overlay`: over it, as large as the frame; `children`: in the place of the
 *   image, over each other, or a function of view and geometry that gives them
 */
export function ZoomFrame(props) {
  const { zoom, width, height, overlay, children } = props;
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  const size = useSize(box);
  const geometry = size && fitImage(size, { width, height }, zoom.enlarges);
  useEffect(() => {
    zoom.geometry.value = geometry;
  }, [size, width, height]);
  const view = geometry ? clampView(zoom.view.value, geometry) : zoom.view.value;
  useGestures(box, geometry && actionsOf(props, view, geometry));
  return html`
    <div class="zoom-frame" ref=${box} data-scale=${view.scale}>
      ${
        geometry &&
        html`
          <div class=${sheetClass(view, geometry)} style=${sheetStyle(view, geometry)}>
            ${typeof children === "function" ? children(view, geometry) : children}
          </div>
          ${overlay?.(view, geometry)}
        `
      }
    </div>
  `;
}

/** @param {View} view @param {Geometry} geometry */
const sheetClass = ({ scale }, { fit }) =>
  `zoom-sheet ${scale > 1 && scale * fit >= PIXELATED_FROM ? "pixelated" : ""}`;

/** @param {View} view @param {Geometry} geometry */
function sheetStyle({ scale, x, y }, { sheet: { width, height } }) {
  const [right, down] = [(0.5 - x) * width * scale, (0.5 - y) * height * scale];
  return {
    width: `${width}px`,
    height: `${height}px`,
    transform: `translate(-50%, -50%) translate(${right}px, ${down}px) scale(${scale})`,
  };
}

/** @param {Parameters<typeof ZoomFrame>[0]} props @param {View} view @param {Geometry} geometry */
function actionsOf(props, view, geometry) {
  const { zoom, togglesOnDoubleClick = true } = props;
  const at = (/** @type {import("./zoom_view.js").Point} */ point) => placeOf(point, view, geometry);
  return /** @satisfies {import("./zoom_gestures.js").Actions} */ ({
    grip(point) {
      const grip = props.onGrip?.(at(point), view, geometry);
      return grip ? { ...grip, move: (next) => grip.move(at(next)) } : null;
    },
    pan: (dx, dy) => zoom.panBy(dx, dy, geometry),
    zoom: (factor, point) => zoom.zoomBy(factor, point, geometry),
    toggle: (point) => togglesOnDoubleClick && zoom.toggle(point, geometry),
    hover: (point) => props.onHover?.(point && at(point)),
    swipe: (dx) => view.scale === 1 && props.onSwipe?.(dx),
    beside: () => props.onBeside?.(),
  });
}

/**
 * @param {import("preact").RefObject<HTMLElement | null>} box
 * @param {import("./zoom_gestures.js").Actions | null} actions null until there is something to act on
 */
function useGestures(box, actions) {
  const latest = useRef(actions);
  latest.current = actions;
  useEffect(() => {
    if (!box.current || !latest.current) return;
    const gestures = new Gestures(box.current, () => /** @type {NonNullable<typeof actions>} */ (latest.current));
    return () => gestures.end();
  }, [actions !== null]);
}

/**
 * Keys of a dialog with a zoom: + and - zoom, 0 shows the whole image, Shift with an arrow moves it.
 * @param {Zoom} zoom
 * @param {Record<string, () => void>} [others] by key
 */
export function useZoomKeys(zoom, others = {}) {
  const latest = useRef(others);
  latest.current = others;
  useEffect(() => {
    const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      const act = event.shiftKey ? panOf(zoom, event.key) : undefined;
      const found = act ?? zoomOf(zoom)[event.key] ?? latest.current[event.key];
      if (!found) return;
      event.preventDefault();
      found();
    };
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  }, []);
}

/** @param {EventTarget | null} target */
const isTyping = (target) => target instanceof HTMLElement && TEXT_FIELDS.includes(target.tagName);

/** @param {Zoom} zoom @returns {Record<string, () => void>} */
const zoomOf = ({ zoomIn, zoomOut, reset }) => ({ "+": zoomIn, "=": zoomIn, "-": zoomOut, 0: reset });

/** @param {Zoom} zoom @param {string} key */
const panOf = (zoom, key) =>
  ({
    ArrowLeft: () => zoom.step(-1, 0),
    ArrowRight: () => zoom.step(1, 0),
    ArrowUp: () => zoom.step(0, -1),
    ArrowDown: () => zoom.step(0, 1),
  })[key];

/** @param {{zoom: Zoom}} props */
export function ZoomTools({ zoom }) {
  const { scale } = zoom.view.value;
  const percent = Math.round(scale * (zoom.geometry.value?.fit ?? 1) * 100);
  return html`
    <div class="zoom-tools" role="group" aria-label=${t("playground.zoom.title")}>
      <${IconTool} text="−" label=${t("playground.zoom.out")} onClick=${zoom.zoomOut} isOff=${scale === 1} />
      <span class="small num" aria-live="polite" data-zoom>${percent}%</span>
      <${IconTool} text="+" label=${t("playground.zoom.in")} onClick=${zoom.zoomIn} />
      <${IconTool} text="⤢" label=${t("playground.zoom.reset")} onClick=${zoom.reset} isOff=${scale === 1} />
    </div>
  `;
}

/**
 * A square button; switched off, it keeps the focus.
 * @param {{text: string, label: string, onClick: () => void, isOff?: boolean}} props
 */
export const IconTool = ({ text, label, onClick, isOff = false }) => html`
  <button
    type="button"
    class="button tight icon"
    aria-label=${label}
    title=${label}
    aria-disabled=${isOff}
    onClick=${onClick}
  >${text}</button>
`;
