// Every run in sight: started here, resumed after a reload, or opened in the gallery. Only ids outlive the page.
import { computed, signal } from "@preact/signals";
import { followTask, get, isFinal, post } from "../api.js";
import { readStored, writeStored } from "../storage.js";
import { refreshBalance } from "../store.js";
import { claimKey, settleKey } from "./gesture.js";

/**
 * @typedef {import("../api.js").ApiError} ApiError
 * @typedef {{ok: true, id: string}} Started
 * @typedef {{key: string, id: string, body: any, quote: any, task: any, error: ApiError | null,
 *   cancelError: ApiError | null, startedAt: number, cancelling: boolean, typicalSeconds: number}} Run
 *   `id` is empty until the task exists; `startedAt` in Unix seconds; `typicalSeconds` from create to end, 0: unknown
 */

const STORAGE_KEY = "imagegate.running";
// A browser opens six connections to a host; the rest of the page needs some of them.
const MAX_STREAMS = 2;
const MAX_BATCH = 50;
const POLL_MS = 1500;

const nowSeconds = () => Date.now() / 1000;

export const runs = signal(/** @type {Run[]} */ ([]));
/** Counts the tasks that ended, so that lists reload. */
export const endedCount = signal(0);
/** Counts the runs started here, so that the newest comes into sight. */
export const startedCount = signal(0);
/** Unix seconds, updated every second. */
export const clock = signal(Math.floor(nowSeconds()));
setInterval(() => {
  clock.value = Math.floor(nowSeconds());
}, 1000);

/** @param {Run} run */
export const isOver = (run) => Boolean(run.error) || isFinal(run.task?.status);
export const runningRuns = computed(() => runs.value.filter((run) => !isOver(run)));

/** The keys of runs whose end was seen. @type {Set<string>} */
const ended = new Set();
let streams = 0;
let polling = false;

/** The creates under way, by the key of their run. @type {Map<string, Promise<Started | ApiError>>} */
const submitting = new Map();

/**
 * Resolves once the create was answered; a repeated press joins the first one.
 * @param {any} body
 * @param {{quote?: any, metadata?: Record<string, string>}} [options] `quote`: the one in sight
 * @returns {Promise<Started | ApiError>}
 */
export async function startRun(body, { quote = null, metadata } = {}) {
  const sent = metadata ? { ...body, metadata } : body;
  const key = await claimKey(sent);
  const known = runs.value.find((run) => run.key === key);
  if (known?.id) return { ok: true, id: known.id };
  if (known) return retryRun(known);
  const run = newRun({ key, body: sent, quote });
  runs.value = [run, ...runs.value];
  startedCount.value += 1;
  return submit(run);
}

/** The same request under the same key: what was lost on the way is not bought twice. @param {Run} run */
export async function retryRun(run) {
  if (run.error) updateRun(run.key, { error: null, startedAt: nowSeconds() });
  return submit(run);
}

/** @param {Run} run */
function submit(run) {
  const pending = submitting.get(run.key) ?? create(run).finally(() => submitting.delete(run.key));
  submitting.set(run.key, pending);
  return pending;
}

/** @param {Run} run @returns {Promise<Started | ApiError>} */
async function create({ key, body }) {
  const reply = await post("/v1/images/generations", body, { headers: { "Idempotency-Key": key } });
  await settleKey(body, key, reply);
  if (!reply.ok) {
    updateRun(key, { error: reply });
    return reply;
  }
  const { id } = reply.value;
  // Another tab may have begun it, and this one may have found it in the list.
  runs.value = runs.value.filter((run) => run.id !== id || run.key === key);
  updateRun(key, { id, task: reply.value });
  storeRunningIds();
  refreshBalance();
  followRun(key, id);
  return { ok: true, id };
}

/** @param {Run} run */
export async function cancelRun({ key, id }) {
  updateRun(key, { cancelling: true, cancelError: null });
  const reply = await post(`/v1/tasks/${id}/cancel`);
  updateRun(key, reply.ok ? { task: reply.value } : { cancelError: reply, cancelling: false });
  if (reply.ok && isFinal(reply.value.status)) await endRun(key, id);
}

/** @param {Run} run */
export function dismissRun({ key }) {
  runs.value = runs.value.filter((run) => run.key !== key);
}

/** Show everything that is still running, wherever it was started. */
export async function resumeRuns() {
  const unfinished = [await listIds("pending"), await listIds("processing")].flat();
  const ids = new Set([...storedIds(), ...unfinished]);
  for (const run of runs.value) ids.delete(run.id);
  // What was started meanwhile has its run by now.
  const tasks = (await loadTasks([...ids])).filter((task) => !runs.value.some((run) => run.id === task.id));
  const resumed = tasks.map((task) => newRun({ key: task.id, id: task.id, task, startedAt: task.created }));
  if (!resumed.length) return;
  runs.value = [...runs.value, ...resumed].sort((a, b) => b.startedAt - a.startedAt);
  for (const run of resumed) (isOver(run) ? endRun : followRun)(run.key, run.id);
}

/** Another tab has started something: it is shown here too. */
export function watchOtherTabs() {
  addEventListener("storage", (event) => {
    if (event.key === STORAGE_KEY) resumeRuns();
  });
}

/** Load an older task. @param {string} id */
export async function openTask(id) {
  if (runs.value.some((run) => run.id === id)) return;
  runs.value = [...runs.value, newRun({ key: id, id })];
  await loadDetails(id, id);
}

/** @param {string} status @returns {Promise<string[]>} */
async function listIds(status) {
  const reply = await get(`/v1/tasks?status=${status}&page_size=${MAX_BATCH}`);
  return reply.ok ? reply.value.data.map((/** @type {any} */ task) => task.id) : [];
}

/** @param {string[]} ids @returns {Promise<any[]>} */
async function loadTasks(ids) {
  if (!ids.length) return [];
  const reply = await post("/v1/tasks/batch", { task_ids: ids.slice(0, MAX_BATCH) });
  return reply.ok ? reply.value.data : [];
}

/** @param {Partial<Run> & {key: string}} known @returns {Run} */
function newRun(known) {
  return {
    id: "",
    body: null,
    quote: null,
    task: null,
    error: null,
    cancelError: null,
    startedAt: nowSeconds(),
    cancelling: false,
    typicalSeconds: typicalSeconds(known.task),
    ...known,
  };
}

/** The gateway says what is left; from the first time that it does, the whole is known. @param {any} task */
function typicalSeconds(task) {
  const left = task?.task_info.estimated_time;
  return left ? Math.round(left + Math.max(0, nowSeconds() - task.created)) : 0;
}

/** @param {string} id @param {any} changes of the task */
export function updateTask(id, changes) {
  runs.value = runs.value.map((run) =>
    run.id === id && run.task ? { ...run, task: { ...run.task, ...changes } } : run,
  );
}

/** @param {string[]} ids of tasks that are gone */
export function forgetRuns(ids) {
  runs.value = runs.value.filter((run) => !run.id || !ids.includes(run.id));
}

/** @param {string} key @param {Partial<Run>} changes */
function updateRun(key, changes) {
  runs.value = runs.value.map((run) => {
    if (run.key !== key) return run;
    return { ...run, ...changes, typicalSeconds: run.typicalSeconds || typicalSeconds(changes.task) };
  });
}

/**
 * Until the task has ended: by its events, or by polling while streams are short.
 * @param {string} key
 * @param {string} id
 */
async function followRun(key, id) {
  if (streams >= MAX_STREAMS) return poll();
  streams += 1;
  try {
    for await (const task of followTask(`/v1/tasks/${id}/events`)) updateRun(key, { task });
  } finally {
    streams -= 1;
  }
  const run = runs.value.find((one) => one.key === key);
  if (run && isOver(run)) await endRun(key, id);
  else await poll();
}

async function poll() {
  if (polling) return;
  polling = true;
  while (runningRuns.value.some((run) => run.id)) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    const ids = runningRuns.value.map((run) => run.id).filter(Boolean);
    for (const task of await loadTasks(ids)) await applyTask(task);
  }
  polling = false;
}

/** @param {any} task */
async function applyTask(task) {
  const run = runs.value.find((one) => one.id === task.id);
  if (!run || isOver(run)) return;
  updateRun(run.key, { task });
  if (isFinal(task.status)) await endRun(run.key, run.id);
}

/** @param {string} key @param {string} id */
async function endRun(key, id) {
  // An end may be heard of twice: from its events, and as the answer to a cancel.
  if (ended.has(key)) return;
  ended.add(key);
  storeRunningIds();
  await loadDetails(key, id);
  endedCount.value += 1;
  refreshBalance();
}

/** @param {string} key @param {string} id */
async function loadDetails(key, id) {
  const reply = await get(`/v1/tasks/${id}?include=request,outputs,attempts`);
  updateRun(key, reply.ok ? { task: reply.value, startedAt: reply.value.created } : { error: reply });
}

function storeRunningIds() {
  const ids = runningRuns.value.map((run) => run.id).filter(Boolean);
  writeStored(STORAGE_KEY, JSON.stringify(ids));
}

/** @returns {string[]} */
function storedIds() {
  try {
    const ids = JSON.parse(readStored(STORAGE_KEY) || "[]");
    return Array.isArray(ids) ? ids.filter((id) => typeof id === "string") : [];
  } catch {
    return [];
  }
}
