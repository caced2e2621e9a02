// Changes of the references: uploaded or named by URL, kept by the gateway, in the order of the request.
import { effect, untracked } from "@preact/signals";
import { localPath, post, upload } from "../api.js";
import { errorWithAdvice } from "../errors.js";
import { t } from "../i18n.js";
import { randomId } from "../ids.js";
import { account, showToast } from "../store.js";
import { dropFile, keepFile } from "./draft_store.js";
import { mask, references, storedReference } from "./form.js";
import { maxReferenceBytes, maxReferences } from "./model.js";
import { isPassing } from "./quotes.js";

/** @typedef {import("./form.js").Reference} Reference */

export const TYPES = ["image/png", "image/jpeg", "image/webp"];
const MAX_NAME = 60;
// A browser opens six connections to a host; the price needs one of them.
const MAX_UPLOADS = 3;
/** The files of references that are not uploaded yet, by key. @type {Map<string, File>} */
const files = new Map();
/** @type {Map<string, AbortController>} */
const uploads = new Map();
/** @type {string[]} */
const queue = [];
/** Links that were there when they were looked at. @type {Set<string>} */
const seen = new Set();

/** @param {"empty" | "expired" | "lost"} name */
const fault = (name) => t(`playground.references.faults.${name}`);

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
  if (type && !TYPES.includes(type)) return errorWithAdvice({ code: "file_type_not_allowed" });
  const max = maxReferenceBytes.value;
  return size > max ? errorWithAdvice({ code: "file_too_large", message: `at most ${max} bytes` }) : "";
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
    return updateReference(key, { state: "bad", preview: "", error: errorWithAdvice(reply) });
  }
  const { file_url: url, mime_type: type } = reply.value.data;
  forgetFile(old);
  if (!TYPES.includes(type)) {
    return updateReference(key, {
      state: "bad",
      preview: "",
      error: errorWithAdvice({ code: "file_type_not_allowed" }),
    });
  }
  seen.add(url);
  updateReference(key, { state: "ready", url, preview: localPath(url), progress: 1 });
}

/** @param {Reference} reference */
function forgetFile({ key, preview }) {
  if (preview.startsWith("blob:")) URL.revokeObjectURL(preview);
  files.delete(key);
  dropFile(key);
}

/**
 * An image that the gateway has.
 * @param {string} url
 * @param {string} name
 * @param {string} [preview]
 * @returns {boolean}
 */
export function addStored(url, name, preview = url) {
  if (!takeRoom(1)) return false;
  references.value = [...references.value, storedReference(url, name, preview)];
  return true;
}

/** Look once at each that came from elsewhere than an upload. @returns {() => void} the end of it */
export function watchStored() {
  return effect(() => {
    const urls = references.value.filter(({ state, url }) => state === "ready" && !seen.has(url)).map(({ url }) => url);
    for (const url of urls) seen.add(url);
    if (urls.length) untracked(checkStored);
  });
}

/** What the gateway has deleted meanwhile is told before it would be missing. */
export async function checkStored() {
  const stored = references.value.filter((one) => one.state === "ready");
  const checks = stored.map(async ({ key, url }) => {
    if (await isGone(url)) updateReference(key, { state: "bad", preview: "", error: fault("expired") });
  });
  const url = mask.value?.url;
  if (url && (await isGone(url)) && mask.value?.url === url) mask.value = { ...mask.value, url: "" };
  await Promise.all(checks);
}

/** Only links of this gateway can be asked. @param {string} url */
async function isGone(url) {
  const path = localPath(url);
  if (!path.startsWith("/")) return false;
  try {
    return [404, 410].includes((await fetch(path, { method: "HEAD" })).status);
  } catch {
    return false;
  }
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
