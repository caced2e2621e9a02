// The tasks of this account, newest first: thumbnails only, found by their prompt, further ones on request.
import { effect, signal } from "@preact/signals";
import { html } from "html";
import { call, local } from "../api.js";
import { moment, number, t } from "../i18n.js";
import { rounded } from "../money.js";
import { account } from "../store.js";
import { endings, open, running } from "./runs.js";

const PAGE = 20;
const TYPING_MS = 250;
const rows = signal(/** @type {any[]} */ ([]));
const further = signal(/** @type {string | null} */ (null));
const done = signal(0);
const words = signal("");
const fault = signal("");
let asked = 0;

/** @param {string} [cursor] */
async function load(cursor = "") {
  const turn = ++asked;
  const reply = await call(`/v1/tasks?${new URLSearchParams({ cursor, limit: String(PAGE), ...(words.value ? { q: words.value } : {}) })}`);
  if (turn !== asked) return;
  fault.value = reply.ok ? "" : reply.status ? reply.message : t("app.errors.network");
  if (!reply.ok) return;
  rows.value = cursor ? [...rows.value, ...reply.value.data] : reply.value.data;
  further.value = reply.value.next_cursor ?? null;
}

async function count() {
  const reply = await call("/v1/tasks?status=completed&page_size=1");
  if (reply.ok) done.value = reply.value.total;
}

/** Look again whenever somebody signs in, a task ends or other words are searched. */
export function watchHistory() {
  return effect(() => {
    const who = account.value;
    const wait = words.value ? TYPING_MS : 0;
    endings.value;
    if (!who) {
      rows.value = [];
      return undefined;
    }
    count();
    const timer = setTimeout(load, wait);
    return () => clearTimeout(timer);
  });
}

export function History() {
  return html`<section class="history" aria-labelledby="pg-history">
    <header>
      <h3 id="pg-history">${t("playground.history.title")}</h3>
      <p class="small soft" aria-live="polite" data-tally>${t("playground.history.tally", { running: number(running.value.length), done: number(done.value) })}</p>
      <input class="input" type="search" maxlength="200" aria-label=${t("playground.history.search")} placeholder=${t("playground.history.search")} value=${words.value} onInput=${(/** @type {any} */ event) => (words.value = event.target.value.trim())} />
    </header>
    ${fault.value && html`<p class="fault-text small" role="alert">${fault.value}</p>`}
    ${!rows.value.length && html`<p class="soft small">${t(words.value ? "playground.history.none" : "playground.history.empty")}</p>`}
    <ul class="tiles">${rows.value.map((row) => html`<${Tile} key=${row.id} row=${row} />`)}</ul>
    ${further.value && html`<p><button class="button tight" type="button" onClick=${() => load(further.value ?? "")}>${t("playground.history.more")}</button></p>`}
  </section>`;
}

/** @param {{row: any}} props */
function Tile({ row }) {
  const show = async () => {
    await open(row.id);
    document.querySelector(`[data-task="${row.id}"]`)?.scrollIntoView({ block: "nearest" });
  };
  const about = `${t(`playground.state.${row.status}`)}, ${moment(row.created_at)}`;
  return html`<li><button class="tile" type="button" onClick=${show} title=${about}>
    <span class="unseen">${`${t("playground.history.open")}: ${about}`}</span>
    ${row.thumbnail_url ? html`<img src=${local(row.thumbnail_url)} alt="" width="160" height="160" loading="lazy" decoding="async" />` : html`<span class="tile-none">${t(`playground.state.${row.status}`)}</span>`}
    <span class="tile-about"><span>${moment(row.created_at, { hour: "2-digit", minute: "2-digit" })}</span><span>${row.result_count > 1 ? `×${row.result_count} ` : ""}${row.credits_used === undefined ? "" : rounded(String(row.credits_used), 2)}</span></span>
  </button></li>`;
}
