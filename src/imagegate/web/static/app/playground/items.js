// What the gallery shows: the account's tasks and this page's runs as one list, newest first.
import { computed, effect, signal } from "@preact/signals";
import { taskState } from "../api.js";
import { onBack } from "../connection.js";
import { account } from "../store.js";
import { isFiltered, TaskList } from "../tasks/list.js";
import { endedCount, isOver, openTask, runs } from "./runs.js";

/**
 * @typedef {import("./runs.js").Run} Run
 * @typedef {{key: string, id: string, row: any, run: Run | undefined}} Item   `row` of the list of tasks, or null; `id`
 *   is empty before the task exists; a tile keeps its `key`
 */

export const list = new TaskList({ path: "/v1/tasks", pageSize: 100 });
onBack(() => list.error.value && list.reload());
/** The key of the item in the drawer, or "". */
export const opened = signal("");

/** When the filters were last changed, Unix seconds: what was started since is shown whatever they say. */
let filteredAt = 0;
effect(() => {
  if (list.filters.value) filteredAt = Date.now() / 1000;
});

/** @param {Run} run */
const createdAt = (run) => run.task?.created ?? (run.error ? run.startedAt : Number.POSITIVE_INFINITY);

/** Whether a run that is in no row has a tile. @param {Run} run */
function hasTile(run) {
  if (isFiltered(list.filters.value)) return Boolean(run.body) && run.startedAt >= filteredAt;
  if (!isOver(run) || !run.id) return true;
  return run.startedAt >= (list.rows.value.at(-1)?.created_at ?? 0);
}

export const items = computed(() => {
  const byId = new Map(runs.value.map((run) => [run.id, run]));
  const known = new Set(list.rows.value.map((row) => row.id));
  /** @type {Item[]} */
  const found = list.rows.value.map((row) => {
    const run = byId.get(row.id);
    return { key: run?.key ?? row.id, id: row.id, row, run };
  });
  const others = runs.value.filter((run) => !known.has(run.id) && hasTile(run));
  if (!others.length) return found;
  const loose = others.map((run) => ({ key: run.key, id: run.id, row: null, run }));
  const created = (/** @type {Item} */ item) => (item.run ? createdAt(item.run) : item.row.created_at);
  return [...loose, ...found].sort((a, b) => created(b) - created(a) || 0);
});

/** The item in the drawer; it stays there when a filter hides its tile. */
export const openedItem = computed(() => {
  const key = opened.value;
  if (!key) return null;
  const shown = items.value.find((item) => item.key === key);
  if (shown) return shown;
  const run = runs.value.find((one) => one.key === key);
  return run ? { key, id: run.id, row: null, run } : null;
});

/** @param {Item} item */
export async function openItem({ key, id, run }) {
  opened.value = key;
  if (id && !run) await openTask(id);
}

/** @param {string} id */
export function openTaskById(id) {
  const item = items.value.find((one) => one.id === id);
  return openItem(item ?? { key: id, id, row: null, run: undefined });
}

export function closeDrawer() {
  opened.value = "";
}

/** pending, processing, completed, failed, cancelled, refused, sending, loading @param {Item} item */
export function stateOf({ run, row }) {
  if (run?.error && !row) return "refused";
  const task = run?.task ?? row;
  if (!task) return run?.id ? "loading" : "sending";
  return taskState(task);
}

/** Of a row, its beginning alone. @param {{run?: Run, row?: any}} item @returns {string} */
export const promptOf = ({ run, row }) => (run?.task?.request ?? run?.body)?.prompt ?? row?.prompt ?? "";

/** Keep the list up to date: after a sign-in, an end, and a look at another window. */
export function watchList() {
  let key = "";
  account.subscribe((found) => {
    if (key && key !== found?.key_shown) list.clear();
    if (found && key !== found.key_shown) list.reload();
    key = found?.key_shown ?? "";
  });
  endedCount.subscribe((count) => {
    if (count) list.refresh();
  });
  document.addEventListener("visibilitychange", () => {
    if (account.value && document.visibilityState === "visible") list.refresh();
  });
}
