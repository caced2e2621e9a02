// A table that grows as it is scrolled: only the rows near the window are in the document.
import { html } from "html";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { SearchOn } from "../tasks/search_on.js";
import { ErrorNote, Loading } from "./components.js";
import { rowId, Table, tableRow } from "./table.js";

/** @typedef {import("./table.js").Column} Column */

const BLOCK_ROWS = 25;
/** So far above and below the window rows are drawn, and the next page is asked for. */
const MARGIN = "1200px 0px";

/**
 * Calls `onChange` with whether the element is near the window.
 * @param {{current: Element | null}} element
 * @param {(near: boolean, entry: IntersectionObserverEntry) => void} onChange
 */
function useNearness(element, onChange) {
  const latest = useRef(onChange);
  latest.current = onChange;
  useEffect(() => {
    if (!element.current) return undefined;
    const observer = new IntersectionObserver(
      (entries) => latest.current(entries[entries.length - 1].isIntersecting, entries[entries.length - 1]),
      { rootMargin: MARGIN },
    );
    observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
}

/**
 * Rows that leave an empty body of their height where they are far away.
 * @param {{rows: any[], columns: Column[]}} props
 */
function Block({ rows, columns }) {
  const body = useRef(/** @type {HTMLElement | null} */ (null));
  const [height, setHeight] = useState(0);
  useNearness(body, (near, entry) => setHeight(near ? 0 : entry.boundingClientRect.height));
  if (!height)
    return html`<tbody role="rowgroup" ref=${body}>${rows.map((row) => tableRow(columns, row, rowId(row)))}</tbody>`;
  const style = { height: `${height}px` };
  return html`
    <tbody ref=${body} aria-hidden="true"><tr style=${style}><td colspan=${columns.length}></td></tr></tbody>
  `;
}

/** @param {{onNear: () => void}} props */
function End({ onNear }) {
  const mark = useRef(null);
  useNearness(mark, (near) => near && onNear());
  return html`<div class="end" ref=${mark}><${Loading} /></div>`;
}

/**
 * @param {{list: import("../tasks/list.js").TaskList, caption: string, columns: Column[], empty: any}} props
 */
export function EndlessTable({ list, caption, columns, empty }) {
  const rows = list.rows.value;
  const blocks = useMemo(() => {
    const found = [];
    for (let at = 0; at < rows.length; at += BLOCK_ROWS) found.push(rows.slice(at, at + BLOCK_ROWS));
    return found;
  }, [rows]);
  const error = list.error.value;
  const body = blocks.map((block, index) => html`<${Block} key=${index} rows=${block} columns=${columns} />`);
  const table = html`<${Table} caption=${caption} columns=${columns} fixed body=${body} />`;
  return html`
    ${error && html`<${ErrorNote} error=${error} reload=${list.reload} />`}
    ${!list.loaded.value && !error && html`<${Loading} />`}
    ${list.loaded.value && (rows.length ? table : !list.hasMore.value && empty)}
    ${list.hasMore.value && !error && html`<${More} list=${list} />`}
  `;
}

/** @param {{list: import("../tasks/list.js").TaskList}} props */
const More = ({ list }) =>
  list.stopped.value
    ? html`<${SearchOn} list=${list} />`
    : html`<${End} key=${list.rows.value.length} onNear=${list.more} />`;
