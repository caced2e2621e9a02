// What a person marks a task with: a star and tags, kept in its metadata; and its deletion.
import { patch, remove } from "../api.js";
import { callInBatches } from "../batches.js";
import { askConfirm } from "../confirm.js";
import { showError } from "../errors.js";
import { t } from "../i18n.js";
import { forgetImages } from "./images.js";
import { closeDrawer, list, openedItem } from "./items.js";
import { forgetRuns, runningRuns, updateTask } from "./runs.js";
import { loadTally } from "./tally.js";

/** @typedef {import("./items.js").Item} Item */

// The API takes 512 code points for all tags of a task.
const MAX_TAGS_LENGTH = 512;
export const MAX_TAG_LENGTH = 40;

/** @param {Item} item @returns {Record<string, string>} */
const metadataOf = ({ run, row }) => run?.task?.metadata ?? row?.metadata ?? {};

/** @param {Item} item */
export const isStarred = (item) => metadataOf(item).starred === "true";

/** @param {Item} item @returns {string[]} */
export const tagsOf = (item) => metadataOf(item).tags?.split(",").filter(Boolean) ?? [];

/** The tags of all tasks in sight. @returns {string[]} */
export function knownTags() {
  const found = list.rows.value.flatMap((row) => row.metadata?.tags?.split(",") ?? []);
  return [...new Set(found)].sort();
}

/** @param {Item} item */
export const toggleStar = (item) => setMetadata(item, { starred: isStarred(item) ? null : "true" });

/** @param {Item} item @param {string} text */
export function addTag(item, text) {
  const tag = text.replaceAll(",", " ").trim().slice(0, MAX_TAG_LENGTH);
  const tags = tagsOf(item);
  const all = [...tags, tag].join(",");
  if (!tag || tags.includes(tag) || [...all].length > MAX_TAGS_LENGTH) return;
  setMetadata(item, { tags: all });
}

/** @param {Item} item @param {string} tag */
export function removeTag(item, tag) {
  const left = tagsOf(item).filter((other) => other !== tag);
  setMetadata(item, { tags: left.join(",") || null });
}

/**
 * Shown at once, and taken back where the gateway refuses.
 * @param {Item} item
 * @param {Record<string, string | null>} changes
 */
async function setMetadata(item, changes) {
  const { id } = item;
  const before = metadataOf(item);
  const merged = Object.entries({ ...before, ...changes }).filter(([, value]) => value !== null);
  showMetadata(id, Object.fromEntries(merged));
  const reply = await patch(`/v1/tasks/${id}`, { metadata: changes });
  if (reply.ok) return showMetadata(id, reply.value.metadata ?? {});
  showMetadata(id, before);
  showError(reply);
}

/** @param {string} id @param {any} metadata */
function showMetadata(id, metadata) {
  list.updateRow(id, { metadata });
  updateTask(id, { metadata });
}

/** Star them all, or none where all have one. @param {Item[]} marked */
export function toggleStars(marked) {
  const starred = marked.every(isStarred) ? null : "true";
  for (const item of marked) if (isStarred(item) === (starred === null)) setMetadata(item, { starred });
}

/** Ask, and delete what is left of them for good. @param {string[]} ids of ended tasks */
export async function deleteTasks(ids) {
  const agreed = await askConfirm({
    title: t(ids.length === 1 ? "playground.delete.title" : "playground.delete.title_many", { count: ids.length }),
    text: t("playground.delete.text"),
    confirm: t("playground.delete.confirm"),
    danger: true,
  });
  if (!agreed) return;
  await callInBatches(ids, deleteTask);
  loadTally();
  // The button that was pressed may be gone with what it deleted.
  if (document.activeElement === document.body) focusGallery();
}

function focusGallery() {
  /** @type {HTMLElement | null} */ (document.querySelector("[data-gallery] [data-show]"))?.focus();
}

/** @param {string} id */
async function deleteTask(id) {
  const reply = await remove(`/v1/tasks/${id}`);
  // Somebody else may have deleted it already.
  if (!reply.ok && reply.status !== 404) return showError(reply);
  if (openedItem.value?.id === id) closeDrawer();
  forgetImages(id);
  list.removeRows([id]);
  forgetRuns([id]);
}

/** @param {string} id */
export const isRunning = (id) => runningRuns.value.some((run) => run.id === id);
