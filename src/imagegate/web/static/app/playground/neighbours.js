// The image before or after another, over all tasks of the gallery; originals that have expired are passed over.
import { findImage } from "./images.js";
import { items, list } from "./items.js";
import { openTask, runs } from "./runs.js";

/** @typedef {import("./images.js").ImageRef} ImageRef */
/** @typedef {import("./items.js").Item} Item */

/** @param {string} id of a task */
const countImages = (id) => runs.value.find((run) => run.id === id)?.task?.result_data?.length ?? 0;

/** @param {Item} item */
function hasOriginals({ run, row }) {
  const task = run?.task ?? row;
  return task?.status === "completed" && !(task.results_expire_at <= Date.now() / 1000);
}

/** @param {string} id of a task @param {number} by 1 or -1 */
function nextItem(id, by) {
  const at = items.value.findIndex((item) => item.id === id);
  const later = by > 0 ? items.value.slice(at + 1) : items.value.slice(0, Math.max(0, at)).reverse();
  return later.find(hasOriginals);
}

/** Whether there is one. @param {ImageRef} from @param {number} by 1 or -1 */
export function hasNeighbour({ id, index }, by) {
  const next = index + by;
  return (next >= 0 && next < countImages(id)) || Boolean(nextItem(id, by)) || (by > 0 && list.hasMore.value);
}

/** @param {ImageRef} from @param {number} by 1 or -1 @returns {Promise<ImageRef | null>} */
export async function findNeighbour({ id, index }, by) {
  const next = { id, index: index + by };
  if (findImage(next)) return next;
  if (by > 0 && !nextItem(id, by)) await list.more();
  const item = nextItem(id, by);
  if (!item) return null;
  await openTask(item.id);
  const count = countImages(item.id);
  return count ? { id: item.id, index: by > 0 ? 0 : count - 1 } : null;
}
