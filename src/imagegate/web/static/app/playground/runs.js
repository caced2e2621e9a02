// Every run in sight: started here, resumed after a reload, or opened from the history. Only ids outlive the page.
import { computed, signal } from "@preact/signals";
import { call, events } from "../api.js";
import { refreshBalance } from "../store.js";

/**
 * @typedef {import("../api.js").Bad} Bad
 * @typedef {{key: string, id: string, body: any, quoted: any, task: any, fault: Bad | null, notice: Bad | null,
 *   started: number, cancelling: boolean, typical: number}} Run   `id` is empty until the task exists; `started` in
 *   Unix seconds; `typical`: seconds from create to end, 0 while unknown
 */

const STORED = "imagegate.running";
// A browser opens six connections to a host; the rest of the page needs some of them.
const MOST_STREAMS = 2;
const POLL_MS = 1500;

export const runs = signal(/** @type {Run[]} */ ([]));
/** Counts up with every task that ends, so that lists look again. */
export const endings = signal(0);
/** Unix seconds, once a second. */
export const now = signal(Math.floor(Date.now() / 1000));
setInterval(() => (now.value = Math.floor(Date.now() / 1000)), 1000);

export const isOver = (/** @type {Run} */ run) => Boolean(run.fault) || ["completed", "failed"].includes(run.task?.status);
export const running = computed(() => runs.value.filter((run) => !isOver(run)));

let streams = 0;
let polling = false;

/** Start a run. @param {any} body @param {any} [quoted] the quote that was in sight */
export async function start(body, quoted = null) {
  const run = fresh({ key: unique(), body, quoted });
  runs.value = [run, ...runs.value];
  await submit(run);
}

/** The same request once more under the same key: what was lost on the way is not bought twice. @param {Run} run */
export async function again(run) {
  patch(run.key, { fault: null, started: Date.now() / 1000 });
  await submit(run);
}

/** @param {Run} run */
async function submit(run) {
  const reply = await call("/v1/images/generations", { body: run.body, headers: { "Idempotency-Key": run.key } });
  if (!reply.ok) return patch(run.key, { fault: reply });
  patch(run.key, { id: reply.value.id, task: reply.value });
  keep();
  refreshBalance();
  follow(run.key, reply.value.id);
}

/** @param {Run} run */
export async function cancel(run) {
  patch(run.key, { cancelling: true, notice: null });
  const reply = await call(`/v1/tasks/${run.id}/cancel`, { method: "POST" });
  patch(run.key, reply.ok ? { task: reply.value } : { notice: reply, cancelling: false });
}

/** @param {Run} run */
export function dismiss(run) {
  runs.value = runs.value.filter((one) => one.key !== run.key);
}

/** Everything that still runs, wherever it was started. */
export async function resume() {
  const ids = new Set(stored());
  for (const status of ["pending", "processing"]) {
    const reply = await call(`/v1/tasks?status=${status}&page_size=50`);
    if (reply.ok) for (const row of reply.value.data) ids.add(row.id);
  }
  for (const run of runs.value) ids.delete(run.id);
  if (!ids.size) return;
  const reply = await call("/v1/tasks/batch", { body: { task_ids: [...ids].slice(0, 50) } });
  if (!reply.ok) return;
  const found = reply.value.data.map((/** @type {any} */ task) => fresh({ key: task.id, id: task.id, task, started: task.created }));
  runs.value = [...runs.value, ...found].sort((a, b) => b.started - a.started);
  for (const run of found) (isOver(run) ? ended : follow)(run.key, run.id);
}

/** Show an older task. @param {string} id */
export async function open(id) {
  if (runs.value.some((run) => run.id === id)) return;
  const run = fresh({ key: id, id });
  runs.value = [run, ...runs.value];
  await detail(run.key, id);
}

/** @param {Partial<Run> & {key: string}} known @returns {Run} */
function fresh(known) {
  return { id: "", body: null, quoted: null, task: null, fault: null, notice: null, started: Date.now() / 1000, cancelling: false, typical: typicalOf(known.task), ...known };
}

/** The gateway says what is left; from the first time that it does, the whole is known. @param {any} task */
function typicalOf(task) {
  const left = task?.task_info.estimated_time;
  return left ? Math.round(left + Math.max(0, Date.now() / 1000 - task.created)) : 0;
}

/** @param {string} key @param {Partial<Run>} changes */
function patch(key, changes) {
  runs.value = runs.value.map((run) => (run.key === key ? { ...run, ...changes, typical: run.typical || typicalOf(changes.task) } : run));
}

/** Until the task has ended: by its events, or by asking where streams are short. @param {string} key @param {string} id */
async function follow(key, id) {
  if (streams < MOST_STREAMS) {
    streams += 1;
    try {
      for await (const event of events(`/v1/tasks/${id}/events`)) patch(key, { task: event.data });
    } finally {
      streams -= 1;
    }
    const run = runs.value.find((one) => one.key === key);
    if (run && isOver(run)) return ended(key, id);
  }
  poll();
}

async function poll() {
  if (polling) return;
  polling = true;
  while (running.value.some((run) => run.id)) {
    await new Promise((done) => setTimeout(done, POLL_MS));
    const wanted = running.value.filter((run) => run.id).slice(0, 50);
    if (!wanted.length) break;
    const reply = await call("/v1/tasks/batch", { body: { task_ids: wanted.map((run) => run.id) } });
    if (reply.ok) for (const task of reply.value.data) await polled(task);
  }
  polling = false;
}

/** @param {any} task */
async function polled(task) {
  const run = runs.value.find((one) => one.id === task.id);
  if (!run || isOver(run)) return;
  patch(run.key, { task });
  if (["completed", "failed"].includes(task.status)) await ended(run.key, run.id);
}

/** @param {string} key @param {string} id */
async function ended(key, id) {
  keep();
  await detail(key, id);
  endings.value += 1;
  refreshBalance();
}

/** @param {string} key @param {string} id */
async function detail(key, id) {
  const reply = await call(`/v1/tasks/${id}?include=request,outputs,attempts`);
  if (reply.ok) patch(key, { task: reply.value, started: reply.value.created });
  else patch(key, { fault: reply });
}

function keep() {
  const ids = running.value.map((run) => run.id).filter(Boolean);
  try {
    localStorage.setItem(STORED, JSON.stringify(ids));
  } catch {
    // private windows may refuse; the list of tasks is asked for as well
  }
}

/** @returns {string[]} */
function stored() {
  try {
    const ids = JSON.parse(localStorage.getItem(STORED) ?? "[]");
    return Array.isArray(ids) ? ids.filter((id) => typeof id === "string") : [];
  } catch {
    return [];
  }
}

/** 128 random bits; `crypto.randomUUID` is missing where the page has no TLS. */
export function unique() {
  return `page-${[...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
