// One task in the gallery: its thumbnail or its progress, its prompt, and what it was.
import { html } from "html";
import { localPath } from "../api.js";
import { withThumbnailRetry } from "../dom.js";
import { errorText } from "../errors.js";
import { formatNumber, formatTime, t } from "../i18n.js";
import { roundDecimal } from "../money.js";
import { StarIcon } from "./icons.js";
import { isTaskSelected, toggleTask } from "./images.js";
import { items, openedItem, openItem, promptOf, stateOf } from "./items.js";
import { isStarred, toggleStar } from "./marks.js";
import { Cancel, Elapsed, RetryButton, StateBadge } from "./progress.js";
import { qualityText, requestedSize } from "./words.js";

/** @typedef {import("./items.js").Item} Item */

/** @param {{item: Item, position: number, count: number}} props */
export function Tile({ item, position, count }) {
  const { id, key } = item;
  const state = stateOf(item);
  const prompt = promptOf(item);
  const current = openedItem.value?.key === key;
  return html`
    <li
      class="tile"
      data-tile=${id}
      data-key=${key}
      data-state=${state}
      aria-setsize=${count}
      aria-posinset=${position}
    >
      <button
        class="tile-open"
        type="button"
        aria-current=${current ? "true" : undefined}
        aria-label=${`${t(`playground.state.${state}`)}: ${prompt.slice(0, 120) || id}`}
        data-show
        onClick=${() => openItem(item)}
      ></button>
      <div class="tile-face"><${Face} item=${item} state=${state} /></div>
      ${id && html`<${Pick} item=${item} prompt=${prompt} /><${Star} item=${item} />`}
      <p class="tile-prompt" title=${prompt}>${prompt}</p>
      <${About} item=${item} />
    </li>
  `;
}

/** @param {{item: Item, state: string}} props */
function Face({ item, state }) {
  const { run, row } = item;
  if (state === "completed") return html`<${Thumbnail} item=${item} />`;
  if (state === "failed" || state === "cancelled" || state === "refused") {
    const error = run?.task?.error ?? run?.error ?? row?.error;
    return html`
      <${StateBadge} state=${state} />
      ${error && state !== "cancelled" && html`<p class="tile-reason">${errorText(error)}</p>`}
      ${run?.error && html`<${RetryButton} run=${run} />`}
    `;
  }
  const progress = (run?.task ?? row)?.progress ?? 0;
  return html`
    <${StateBadge} state=${state} announced=${Boolean(run)} />
    <progress max="100" value=${progress} aria-label=${t("playground.progress")}></progress>
    ${run && html`<p class="small soft"><${Elapsed} run=${run} /></p><${Cancel} run=${run} />`}
  `;
}

/** The first image, as its thumbnail. @param {{item: Item}} props */
function Thumbnail({ item: { run, row } }) {
  const outputs = run?.task?.result_data ?? row?.outputs ?? [];
  const source = outputs[0]?.thumbnail_url ?? row?.thumbnail_url;
  const count = outputs.length || row?.result_count;
  return html`
    ${
      source
        ? html`<img
            src=${localPath(source)}
            onError=${withThumbnailRetry()}
            alt=""
            width="256"
            height="256"
            loading="lazy"
            decoding="async"
          />`
        : html`<${StateBadge} state="completed" />`
    }
    ${count > 1 && html`<span class="tile-count">×${count}</span>`}
  `;
}

/** @param {{item: Item, prompt: string}} props */
function Pick({ item, prompt }) {
  // A click says whether Shift was held, a change does not.
  const onClick = (/** @type {MouseEvent} */ event) => toggleTask(item, items.value, event.shiftKey);
  return html`
    <label class="tile-pick">
      <input
        type="checkbox"
        checked=${isTaskSelected(item.id)}
        onClick=${onClick}
        aria-label=${t("playground.selection.select_task", { prompt: prompt.slice(0, 60) || item.id })}
        data-pick
      />
    </label>
  `;
}

/** @param {{item: Item}} props */
export function Star({ item }) {
  const starred = isStarred(item);
  const text = t(starred ? "playground.star.remove" : "playground.star.add");
  return html`
    <button
      class="button icon tight bare star"
      type="button"
      aria-pressed=${starred}
      aria-label=${text}
      title=${starred ? text : t("playground.star.about")}
      data-star
      onClick=${() => toggleStar(item)}
    ><${StarIcon} /></button>
  `;
}

/** Model and price, size with quality, and time. @param {{item: Item}} props */
function About({ item: { run, row } }) {
  const task = run?.task;
  const created = task?.created ?? row?.created_at ?? run?.startedAt;
  const request = task?.request ?? run?.body ?? row;
  const usd = task?.usage?.cost?.usd ?? row?.cost?.usd;
  const quality = qualityText(request?.quality);
  return html`
    <p class="tile-about">
      <span>${(request ?? task)?.model}</span>
      <span>${usd === undefined ? "" : `$${roundDecimal(String(usd), 4)}`}</span>
      <span class="tile-made">
        <span>${sizeText(run, row)}</span>
        ${quality && html`<span>· ${quality}</span>`}
      </span>
      <time title=${formatTime(created)}>${shortTime(created)}</time>
    </p>
  `;
}

/** In pixels where it was made, else as requested. @param {Item["run"]} run @param {any} row */
function sizeText(run, row) {
  const [made] = run?.task?.result_data ?? row?.outputs ?? [];
  if (made?.width) return `${formatNumber(made.width, PLAIN)} × ${formatNumber(made.height, PLAIN)}`;
  return requestedSize(run?.task?.request ?? run?.body ?? row ?? {});
}

const PLAIN = { useGrouping: false };

/** The time of today, the day of this year, else with its year. @param {number} seconds */
function shortTime(seconds) {
  const [then, now] = [new Date(seconds * 1000), new Date()];
  if (then.toDateString() === now.toDateString()) return formatTime(seconds, { timeStyle: "short" });
  const year = then.getFullYear() === now.getFullYear() ? undefined : "numeric";
  return formatTime(seconds, { month: "short", day: "numeric", year });
}
