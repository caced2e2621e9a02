// The grid of tiles, of which only those near the screen exist.
import { html } from "html";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Tile } from "./tile.js";

/** @typedef {import("./items.js").Item} Item */

// Rows above and below the screen that exist, so that a quick scroll shows no gap.
const MARGIN_ROWS = 3;
const FIRST_TILES = 24;
/** How far an arrow key goes: by tiles, or by rows. @type {Record<string, [tiles: number, rows: number]>} */
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** @typedef {{columns: number, rowHeight: number, from: number, to: number}} Window  in rows */

/** @param {HTMLElement} grid @returns {Window} */
function windowOf(grid) {
  const style = getComputedStyle(grid);
  const columns = style.gridTemplateColumns.split(" ").length;
  const tile = grid.querySelector(".tile")?.getBoundingClientRect();
  const rowHeight = (tile?.height ?? 0) + Number.parseFloat(style.rowGap);
  const above = -grid.getBoundingClientRect().top;
  const rowAt = (/** @type {number} */ pixels) => Math.max(0, Math.floor(pixels / rowHeight));
  return {
    columns,
    rowHeight,
    from: Math.max(0, rowAt(above) - MARGIN_ROWS),
    to: rowAt(above + innerHeight) + 1 + MARGIN_ROWS,
  };
}

/** @param {{items: Item[], label: string, onEnd: () => void}} props `onEnd`: the last of them are near */
export function Grid({ items, label, onEnd }) {
  const grid = useRef(/** @type {HTMLUListElement | null} */ (null));
  const [shown, setShown] = useState(/** @type {Window | null} */ (null));
  const measure = () => {
    if (!grid.current) return;
    const next = windowOf(grid.current);
    setShown((old) => (old && isEqual(old, next) ? old : next));
  };
  useLayoutEffect(() => {
    let frame = 0;
    const later = () => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(measure);
    };
    // Scrolling does not bubble: whichever box scrolls, the document hears of it on the way down.
    document.addEventListener("scroll", later, { capture: true, passive: true });
    const watcher = new ResizeObserver(later);
    if (grid.current) watcher.observe(grid.current);
    return () => {
      document.removeEventListener("scroll", later, { capture: true });
      watcher.disconnect();
      cancelAnimationFrame(frame);
    };
  }, []);
  useLayoutEffect(measure, [items.length]);
  const { columns, rowHeight, from, to } = shown ?? { columns: FIRST_TILES, rowHeight: 0, from: 0, to: 1 };
  const rows = Math.ceil(items.length / columns);
  const [first, last] = [Math.min(from, rows), Math.min(to, rows)];
  useLayoutEffect(() => {
    if (shown && last >= rows - MARGIN_ROWS) onEnd();
  }, [last, rows, items.length]);
  const padding = { paddingTop: `${first * rowHeight}px`, paddingBottom: `${(rows - last) * rowHeight}px` };
  const tile = (/** @type {Item} */ item, /** @type {number} */ at) =>
    html`<${Tile} key=${item.key} item=${item} position=${first * columns + at + 1} count=${items.length} />`;
  return html`
    <ul
      class="tiles"
      ref=${grid}
      aria-label=${label}
      style=${padding}
      onKeyDown=${(/** @type {any} */ event) => moveFocus(event, columns)}
    >
      ${items.slice(first * columns, last * columns).map(tile)}
    </ul>
  `;
}

/** @param {Window} one @param {Window} other */
const isEqual = (one, other) =>
  one.columns === other.columns && one.rowHeight === other.rowHeight && one.from === other.from && one.to === other.to;

/** Arrow keys go from tile to tile. @param {KeyboardEvent} event @param {number} columns */
function moveFocus(event, columns) {
  const step = STEPS[event.key];
  const button = /** @type {HTMLElement} */ (event.target);
  if (!step || !button.matches("[data-show]") || event.altKey || event.ctrlKey || event.metaKey) return;
  const buttons = /** @type {HTMLElement[]} */ ([...(button.closest("ul")?.querySelectorAll("[data-show]") ?? [])]);
  const next = buttons[buttons.indexOf(button) + step[0] + step[1] * columns];
  if (!next) return;
  event.preventDefault();
  next.focus({ preventScroll: true });
  next.closest(".tile")?.scrollIntoView({ block: "nearest", behavior: "instant" });
}
