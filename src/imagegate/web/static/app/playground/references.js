// Changes of the references: uploaded or named by URL, kept by the gateway, in the order of the request.
import { localPath, post, upload } from "../api.js";
import { errorText } from "../errors.js";
import { formatNumber, t } from "../i18n.js";
import { randomId } from "../ids.js";
import { account, showToast } from "../store.js";
import { dropFile, keepFile } from "./draft_store.js";
import { mask, maxReferences, references, storedReference } from "./form.js";
import { maxReferenceBytes } from "./model.js";
import { isPassing } from "./quotes.js";

/** @typedef {import("./form.js").Reference} Reference */

export const TYPES = ["image/png", "image/jpeg", "image/webp"];
const MAX_NAME = 60;
const BYTES_PER_MB = 1024 * 1024;
// A browser opens six connections to a host; the price needs one of them.
const MAX_UPLOADS = 3;
/** Codes of the upload surface that have a text of their own. @type {Record<string, string>} */
const FAULTS = { 40001: "too_large", 40002: "no_image", 40003: "quota", 40004: "not_fetched" };

/** The files of references that are not uploaded yet, by key. @type {Map<string, File>} */
const files = new Map();
/** @type {Map<string, AbortController>} */
const uploads = new Map();
/** @type {string[]} */
const queue = [];

/** @param {string} name @param {Record<string, string | number>} [values] */
const fault = (name, values) => t(`playground.references.faults.${name}`, values);

/** "49.9 MB" @param {number} bytes @param {"floor" | "expand"} roundingMode */
const megabytes = (bytes, roundingMode) =>
  `${formatNumber(bytes / BYTES_PER_MB, { maximumFractionDigits: 1, .../** @type {any} */ ({ roundingMode }) })} MB`;

/** @param {string} key @param {Partial<Reference>} changes */
export function updateReference(key, changes) {
  references.value = references.value.map((one) => (one.key === key ? { ...one, ...changes } : one));
}

/** Room for this many more; tells once if they do not all fit. @param {number} count @returns {number} */
function takeRoom(count) {
  const max = maxReferences.value;
  const room = Math.max(0, max - references.value.length);
  if (count > room) showToast(t("playground.references.full", { max }), "bad");
  return Math.min(count, room);
}

/** @param {string} name @param {Partial<Reference>} known @returns {string} the key */
function append(name, known) {
  const key = randomId();
  const empty = { key, name, url: "", preview: "", error: "", progress: 0 };
  references.value = [...references.value, { ...empty, state: "loading", ...known }];
  return key;
}

/** @param {Iterable<File>} chosen */
export function addFiles(chosen) {
  const all = [...chosen];
  for (const file of all.slice(0, takeRoom(all.length))) {
    const error = faultOfFile(file);
    const preview = error || !TYPES.includes(file.type) ? "" : URL.createObjectURL(file);
    const key = append(file.name, error ? { state: "bad", error } : { state: "waiting", preview });
    if (error) continue;
    files.set(key, file);
    keepFile(key, file);
  }
  uploadWaiting();
}

/** What is known without sending it. @param {File} file */
function faultOfFile({ size, type }) {
  if (size === 0) return fault("empty");
  if (type && !TYPES.includes(type)) return fault("no_image");
  const max = maxReferenceBytes.value;
  if (size <= max) return "";
  return fault("too_large", { size: megabytes(size, "expand"), max: megabytes(max, "floor") });
}

/** Files of a draft, which are uploaded again. @param {Map<string, File>} kept */
export function resumeFiles(kept) {
  references.value = references.value.map((one) => {
    const file = kept.get(one.key);
    if (!file)
      return one.state === "ready" ? one : { ...one, state: "bad", preview: "", error: one.error || fault("lost") };
    files.set(one.key, file);
    return { ...one, state: "waiting", preview: URL.createObjectURL(file), error: "", progress: 0 };
  });
  uploadWaiting();
}

/** Files wait while nobody is signed in. */
export function uploadWaiting() {
  if (!account.value) return;
  for (const { key, state } of references.value) {
    if (state !== "waiting" || !files.has(key)) continue;
    updateReference(key, { state: "loading" });
    queue.push(key);
  }
  startUploads();
}

/** Whether its file is still here. @param {string} key */
export const isRetryable = (key) => files.has(key);

/** @param {string} key */
export function retryUpload(key) {
  updateReference(key, { state: "waiting", error: "", progress: 0 });
  uploadWaiting();
}

function startUploads() {
  while (uploads.size < MAX_UPLOADS && queue.length) uploadFile(/** @type {string} */ (queue.shift()));
}

/** @param {string} key */
async function uploadFile(key) {
  const file = files.get(key);
  if (!file) return;
  const abort = new AbortController();
  uploads.set(key, abort);
  const onProgress = (/** @type {number} */ progress) => updateReference(key, { progress });
  const reply = await upload(file, file.name, { onProgress, signal: abort.signal });
  uploads.delete(key);
  finish(key, reply);
  startUploads();
}

/** @param {string} url */
export async function addUrl(url) {
  if (!takeRoom(1)) return;
  const key = append(url.split("/").pop()?.slice(0, MAX_NAME) || url, {});
  finish(key, await post("/api/v1/files/upload/url", { file_url: url }));
}

/** @param {string} key @param {import("../api.js").Reply} reply */
function finish(key, reply) {
  const old = references.value.find((one) => one.key === key);
  if (!old) return;
  if (!reply.ok) {
    if (!isPassing(reply)) forgetFile(old);
    return updateReference(key, { state: "bad", preview: "", error: uploadError(reply) });
  }
  const { file_url: url, mime_type: type } = reply.value.data;
  forgetFile(old);
  if (!TYPES.includes(type)) return updateReference(key, { state: "bad", preview: "", error: fault("no_image") });
  updateReference(key, { state: "ready", url, preview: localPath(url), progress: 1 });
}

/** @param {import("../api.js").ApiError} error */
function uploadError(error) {
  const max = megabytes(maxReferenceBytes.value, "floor");
  const name = FAULTS[error.code];
  return name ? fault(name === "too_large" ? "over_limit" : name, { max }) : errorText(error);
}

/** @param {Reference} reference */
function forgetFile({ key, preview }) {
  if (preview.startsWith("blob:")) URL.revokeObjectURL(preview);
  files.delete(key);
  dropFile(key);
}

/** An image that the gateway has. @param {string} url @param {string} name @param {string} [preview] @returns {boolean} */
export function addStored(url, name, preview = url) {
  if (!takeRoom(1)) return false;
  references.value = [...references.value, storedReference(url, name, preview)];
  return true;
}

/** The gateway refused one of those that it was given. @param {string} url */
export function markLost(url) {
  const found = references.value.find((one) => one.state === "ready" && one.url === url);
  if (found) updateReference(found.key, { state: "bad", preview: "", error: fault("expired") });
}

/** @param {number} from @param {number} to */
export function moveReference(from, to) {
  if (to < 0 || to >= references.value.length || from === to) return;
  const list = [...references.value];
  list.splice(to, 0, ...list.splice(from, 1));
  references.value = list;
}

/** @param {string} key */
export function removeReference(key) {
  const gone = references.value.find((one) => one.key === key);
  references.value = references.value.filter((one) => one.key !== key);
  uploads.get(key)?.abort();
  if (gone) forgetFile(gone);
  if (mask.value?.referenceKey === key) mask.value = null;
}
