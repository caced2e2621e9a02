// One task in full, beside the gallery; on narrow screens over it.
import { html } from "html";
import { useEffect, useRef, useState } from "preact/hooks";
import { localPath } from "../api.js";
import { copyText } from "../clipboard.js";
import { Dialog } from "../dialog.js";
import { chargeText, ErrorBox } from "../errors.js";
import { formatTime, t } from "../i18n.js";
import { RunActions } from "./actions.js";
import { Facts } from "./facts.js";
import { CopyIcon, TrashIcon } from "./icons.js";
import { closeDrawer, items, openedItem, openItem, promptOf, stateOf } from "./items.js";
import { isWide } from "./layout.js";
import { deleteTasks } from "./marks.js";
import { Progress, RetryButton, StateBadge } from "./progress.js";
import { Images } from "./result.js";
import { dismissRun, isOver } from "./runs.js";
import { SelectionBar } from "./selection.js";
import { Tags } from "./tags.js";
import { Star } from "./tile.js";
import { qualityText, requestedSize } from "./words.js";

/** @typedef {import("./items.js").Item} Item */

export function Drawer() {
  const item = openedItem.value;
  if (!item) return null;
  const prompt = promptOf(item);
  const content = html`<${Content} item=${item} prompt=${prompt} key=${item.key} />`;
  if (isWide.value) return html`<${Side} item=${item} label=${prompt || item.id}>${content}<//>`;
  return html`
    <${Dialog} title=${t("playground.drawer.title")} className="sheet" closeButton onClose=${closeDrawer}>
      ${content}<${SelectionBar} />
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
  useEffect(() => {
    const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
      // A dialog over it takes the key, and may be closed by now.
      if (event.key !== "Escape" || event.isComposing || event.defaultPrevented) return;
      closeAndReturn(item.key);
    };
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  }, [item.key]);
  return html`
    <aside class="drawer" tabindex="-1" ref=${box} aria-label=${label.slice(0, 120)}>
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
      class="button icon tight bare"
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
  const { run, id } = item;
  const state = stateOf(item);
  const task = run?.task;
  const over = run && isOver(run);
  return html`
    <article class="details" data-task=${id} data-state=${state}>
      <${Summary} item=${item} state=${state} />
      ${run && !over && html`<${Progress} run=${run} />`}
      ${run?.error && html`<${Refused} run=${run} />`}
      ${task?.status === "failed" && html`<${ErrorBox} error=${task.error ?? {}} charge=${chargeText(task)} />`}
      ${task?.status === "completed" && html`<${Images} run=${run} />`}
      ${over && task && html`<${RunActions} run=${run} />`}
      <${Prompt} text=${prompt} />
      ${id && html`<${Tags} item=${item} />`}
      <${Settings} request=${task?.request ?? run?.body} />
      ${over && task?.request && html`<${Facts} run=${run} />`}
      ${over && id && html`<${DeleteButton} id=${id} />`}
    </article>
  `;
}

/** @param {{item: Item, state: string}} props */
function Summary({ item, state }) {
  const { run, row, id } = item;
  return html`
    <header class="details-top">
      <${StateBadge} state=${state} announced />
      <time class="small soft">${formatTime(run?.task?.created ?? row?.created_at ?? run?.startedAt)}</time>
      ${id && html`<${Star} item=${item} />`}
      ${isWide.value && html`<${Steps} item=${item} />`}
    </header>
  `;
}

/** @param {{item: Item}} props */
function Steps({ item }) {
  const close = t("app.close");
  return html`
    <${Step} item=${item} by=${-1} text="↑" label=${t("playground.drawer.newer")} />
    <${Step} item=${item} by=${1} text="↓" label=${t("playground.drawer.older")} />
    <button
      class="button icon tight bare"
      type="button"
      aria-label=${close}
      title=${close}
      data-close-drawer
      onClick=${() => closeAndReturn(item.key)}
    >✕</button>
  `;
}

/** @param {{text: string}} props */
function Prompt({ text }) {
  const label = t("playground.copy_prompt");
  return html`
    <div class="details-prompt" role="group" aria-label=${t("playground.prompt.title")}>
      <p data-prompt>${text}</p>
      <button
        class="button icon tight bare"
        type="button"
        aria-label=${label}
        title=${label}
        data-copy-prompt
        onClick=${() => copyText(text)}
      ><${CopyIcon} /></button>
    </div>
  `;
}

/** What was asked for. @param {{request: any}} props */
function Settings({ request }) {
  if (!request) return null;
  const { model, size, resolution, quality, n, output_format, background, image_urls: urls = [], mask_url } = request;
  const rows = [
    ["model", model],
    ["size", requestedSize({ size, resolution })],
    ["quality", qualityText(quality)],
    ["n", String(n ?? 1)],
    ["format", output_format?.toUpperCase()],
    ["background", background && t(`playground.background.${background}`)],
  ].filter(([, value]) => value);
  return html`
    <dl class="details-settings">
      ${rows.map(
        ([name, value]) => html`<div key=${name}><dt>${t(`playground.settings.${name}`)}</dt><dd>${value}</dd></div>`,
      )}
    </dl>
    ${urls?.length > 0 && html`<${UsedReferences} urls=${urls} masked=${Boolean(mask_url)} />`}
  `;
}

/**
 * Loaded when it is opened: references are as large as they were given.
 * @param {{urls: string[], masked: boolean}} props
 */
function UsedReferences({ urls, masked }) {
  const [open, setOpen] = useState(false);
  const onToggle = (/** @type {any} */ event) => setOpen(event.target.open);
  const one = (/** @type {string} */ url, /** @type {number} */ at) => html`
    <li key=${url}>
      <img src=${localPath(url)} alt=${String(at + 1)} width="72" height="72" onError=${markLost} />
    </li>
  `;
  return html`
    <details class="used" data-references onToggle=${onToggle}>
      <summary>
        ${t("playground.references.title")} <span class="soft small">${urls.length}</span>
        ${masked && html` <span class="soft small">· ${t("playground.mask.open")}</span>`}
      </summary>
      ${open && html`<ul>${urls.map(one)}</ul>`}
    </details>
  `;
}

/** A link that has expired shows its number. @param {any} event */
function markLost({ target }) {
  target.dataset.lost = "true";
}

/** @param {{id: string}} props */
const DeleteButton = ({ id }) => html`
  <p>
    <button class="button tight bad" type="button" data-delete onClick=${() => deleteTasks([id])}>
      <${TrashIcon} /> ${t("playground.delete.open")}
    </button>
  </p>
`;

/** A request that was refused, or whose answer was lost: there is no task. @param {{run: any}} props */
const Refused = ({ run }) => html`
  <${ErrorBox} error=${run.error} charge=${chargeText(run.error)} />
  <p class="row">
    <${RetryButton} run=${run} />
    <button class="button tight bare" type="button" onClick=${() => dismissRun(run)}>${t("playground.dismiss")}</button>
  </p>
`;
