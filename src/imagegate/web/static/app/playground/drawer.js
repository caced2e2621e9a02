// One task in full, beside the gallery; on narrow screens over it.
import { html } from "html";
import { useEffect, useRef } from "preact/hooks";
import { Dialog } from "../dialog.js";
import { formatTime, t } from "../i18n.js";
import { RequestError, TaskError } from "./errors.js";
import { closeDrawer, items, openedItem, openItem, promptOf, stateOf } from "./items.js";
import { isWide } from "./layout.js";
import { Progress, RetryButton, StateBadge } from "./progress.js";
import { RunResult } from "./result.js";
import { dismissRun, isOver } from "./runs.js";

/** @typedef {import("./items.js").Item} Item */

export function Drawer() {
  const item = openedItem.value;
  if (!item) return null;
  const prompt = promptOf(item);
  const content = html`<${Content} item=${item} prompt=${prompt} key=${item.key} />`;
  if (isWide.value) return html`<${Side} item=${item} label=${prompt || item.id}>${content}<//>`;
  return html`
    <${Dialog} title=${t("playground.drawer.title")} className="sheet" closeButton onClose=${closeDrawer}>
      ${content}
    <//>
  `;
}

/** At the right edge; the page behind it stays in use. @param {{item: Item, label: string, children?: any}} props */
function Side({ item, label, children }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    box.current?.focus({ preventScroll: true });
    box.current?.scrollTo(0, 0);
  }, [item.key]);
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
    event.stopPropagation();
    closeAndReturn(item.key);
  };
  return html`
    <aside class="drawer" tabindex="-1" ref=${box} aria-label=${label.slice(0, 120)} onKeyDown=${onKeyDown}>
      <header class="drawer-top">
        <${Step} item=${item} by=${-1} text="↑" label=${t("playground.drawer.newer")} />
        <${Step} item=${item} by=${1} text="↓" label=${t("playground.drawer.older")} />
        <button
          class="button tight bare"
          type="button"
          aria-label=${t("app.close")}
          title=${t("app.close")}
          data-close-drawer
          onClick=${() => closeAndReturn(item.key)}
        >✕</button>
      </header>
      ${children}
    </aside>
  `;
}

/** The focus goes back to the tile. @param {string} key */
function closeAndReturn(key) {
  closeDrawer();
  const tile = document.querySelector(`[data-key="${CSS.escape(key)}"] [data-show]`);
  /** @type {HTMLElement | null} */ (tile)?.focus();
}

/** To a neighbour in the gallery. @param {{item: Item, by: number, text: string, label: string}} props */
function Step({ item, by, text, label }) {
  const at = items.value.findIndex((other) => other.key === item.key);
  const next = at < 0 ? undefined : items.value[at + by];
  return html`
    <button
      class="button tight bare"
      type="button"
      aria-label=${label}
      title=${label}
      disabled=${!next}
      onClick=${() => next && openItem(next)}
    >${text}</button>
  `;
}

/** @param {{item: Item, prompt: string}} props */
function Content({ item, prompt }) {
  const { run, id, row } = item;
  const state = stateOf(item);
  const over = run && isOver(run);
  const created = run?.task?.created ?? row?.created_at ?? run?.startedAt;
  return html`
    <article class="details" data-task=${id} data-state=${state}>
      <p class="row details-top">
        <${StateBadge} state=${state} announced />
        <time class="small soft">${formatTime(created)}</time>
      </p>
      ${run && !over && html`<${Progress} run=${run} />`}
      ${run?.error && html`<${RequestError} error=${run.error} /><${Refused} run=${run} />`}
      ${run?.task?.status === "failed" && html`<${TaskError} task=${run.task} />`}
      <p class="details-prompt" data-prompt>${prompt}</p>
      ${over && run.task && html`<${RunResult} run=${run} />`}
    </article>
  `;
}

/** @param {{run: import("./runs.js").Run}} props */
const Refused = ({ run }) => html`
  <p class="row">
    <${RetryButton} run=${run} />
    <button class="button tight bare" type="button" onClick=${() => dismissRun(run)}>${t("playground.dismiss")}</button>
  </p>
`;
