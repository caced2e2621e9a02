// The tasks of this account, newest first: thumbnails only, searchable by prompt, older ones on request.
import { effect, signal } from "@preact/signals";
import { html } from "html";
import { get, localPath } from "../api.js";
import { withThumbnailRetry, withValue } from "../dom.js";
import { errorText } from "../errors.js";
import { formatNumber, formatTime, t } from "../i18n.js";
import { roundDecimal } from "../money.js";
import { account } from "../store.js";
import { endedCount, openTask, runningRuns } from "./runs.js";

const PAGE_SIZE = 20;
const TYPING_MS = 250;

const tasks = signal(/** @type {any[]} */ ([]));
const nextCursor = signal("");
const completedCount = signal(0);
const search = signal("");
const error = signal("");
/** Counts requests: a late answer to an old one is dropped. */
let requests = 0;

/** @param {string} [cursor] */
async function loadPage(cursor = "") {
  const number = ++requests;
  const query = new URLSearchParams({ cursor, limit: String(PAGE_SIZE) });
  if (search.value) query.set("q", search.value);
  const reply = await get(`/v1/tasks?${query}`);
  if (number !== requests) return;
  error.value = reply.ok ? "" : errorText(reply);
  if (!reply.ok) return;
  tasks.value = cursor ? [...tasks.value, ...reply.value.data] : reply.value.data;
  nextCursor.value = reply.value.next_cursor ?? "";
}

async function loadCompletedCount() {
  const reply = await get("/v1/tasks?status=completed&page_size=1");
  if (reply.ok) completedCount.value = reply.value.total;
}

/** Reload whenever somebody signs in, a task ends or the search changes. */
export function watchHistory() {
  return effect(() => {
    const who = account.value;
    const delayMs = search.value ? TYPING_MS : 0;
    endedCount.value;
    if (!who) {
      tasks.value = [];
      return undefined;
    }
    loadCompletedCount();
    const timer = setTimeout(loadPage, delayMs);
    return () => clearTimeout(timer);
  });
}

export function History() {
  const counts = { running: formatNumber(runningRuns.value.length), done: formatNumber(completedCount.value) };
  const none = t(search.value ? "playground.history.no_match" : "playground.history.empty");
  return html`
    <section class="history" aria-labelledby="pg-history">
      <header>
        <h3 id="pg-history">${t("playground.history.title")}</h3>
        <p class="small soft" aria-live="polite" data-tally>${t("playground.history.counts", counts)}</p>
        <${SearchField} />
      </header>
      ${error.value && html`<p class="error-text small" role="alert">${error.value}</p>`}
      ${!tasks.value.length && html`<p class="soft small">${none}</p>`}
      <ul class="tiles">${tasks.value.map((task) => html`<${Tile} key=${task.id} task=${task} />`)}</ul>
      ${nextCursor.value && html`<${MoreButton} />`}
    </section>
  `;
}

function SearchField() {
  const label = t("playground.history.search");
  const onInput = withValue((text) => {
    search.value = text.trim();
  });
  return html`
    <input
      class="input"
      type="search"
      maxlength="200"
      aria-label=${label}
      placeholder=${label}
      value=${search.value}
      onInput=${onInput}
    />
  `;
}

function MoreButton() {
  const more = () => loadPage(nextCursor.value);
  const text = t("playground.history.more");
  return html`<p><button class="button tight" type="button" onClick=${more}>${text}</button></p>`;
}

/** @param {{task: any}} props */
function Tile({ task: { id, status, created_at, thumbnail_url, result_count, credits_used } }) {
  const show = async () => {
    await openTask(id);
    document.querySelector(`[data-task="${id}"]`)?.scrollIntoView({ block: "nearest" });
  };
  const state = t(`playground.state.${status}`);
  const title = `${state}, ${formatTime(created_at)}`;
  const count = result_count > 1 ? `×${result_count} ` : "";
  const credits = credits_used === undefined ? "" : roundDecimal(String(credits_used), 2);
  return html`
    <li>
      <button class="tile" type="button" onClick=${show} title=${title}>
        <span class="unseen">${t("playground.history.open")}: ${title}</span>
        ${thumbnail_url ? html`<${Thumbnail} url=${thumbnail_url} />` : html`<span class="tile-none">${state}</span>`}
        <span class="tile-about">
          <span>${formatTime(created_at, { hour: "2-digit", minute: "2-digit" })}</span><span>${count}${credits}</span>
        </span>
      </button>
    </li>
  `;
}

/** @param {{url: string}} props */
const Thumbnail = ({ url }) => html`
  <img
    src=${localPath(url)}
    onError=${withThumbnailRetry()}
    alt=""
    width="160"
    height="160"
    loading="lazy"
    decoding="async"
  />
`;
