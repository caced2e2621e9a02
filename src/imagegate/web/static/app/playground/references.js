// Changes of the references: uploaded or named by URL, kept by the gateway, in the order of the request.
import { localPath, post, upload } from "../api.js";
import { t } from "../i18n.js";
import { randomId } from "../ids.js";
import { account, showToast, signInOpen } from "../store.js";
import { errorWithAdvice } from "./errors.js";
import { mask, maxReferences, references } from "./form.js";

/** @typedef {import("./form.js").Reference} Reference */

export const TYPES = ["image/png", "image/jpeg", "image/webp"];
const MAX_NAME = 60;

/** @param {string} key @param {Partial<Reference>} changes */
export function updateReference(key, changes) {
  references.value = references.value.map((one) => (one.key === key ? { ...one, ...changes } : one));
}

/** @param {string} name @param {string} preview @returns {string} the key of it, empty where there is no room */
function appendReference(name, preview) {
  const max = maxReferences.value;
  if (references.value.length >= max) {
    showToast(t("playground.references.full", { max }), "bad");
    return "";
  }
  const key = randomId();
  references.value = [...references.value, { key, name, state: "loading", url: "", preview, error: "" }];
  return key;
}

/** @param {Iterable<File>} files */
export function addFiles(files) {
  if (!account.value) {
    signInOpen.value = true;
    return;
  }
  for (const file of files) {
    const key = appendReference(file.name, TYPES.includes(file.type) ? URL.createObjectURL(file) : "");
    if (key) upload(file, file.name).then((reply) => finishUpload(key, reply));
  }
}

/** @param {string} url */
export async function addUrl(url) {
  const key = appendReference(url.split("/").pop()?.slice(0, MAX_NAME) || url, "");
  if (key) finishUpload(key, await post("/api/v1/files/upload/url", { file_url: url }));
}

/** @param {string} key @param {import("../api.js").Reply} reply */
function finishUpload(key, reply) {
  const old = references.value.find((one) => one.key === key);
  if (!old) return;
  if (!reply.ok) return updateReference(key, { state: "bad", error: errorWithAdvice(reply) });
  const { file_url: url, mime_type: type } = reply.value.data;
  if (!TYPES.includes(type)) {
    return updateReference(key, { state: "bad", preview: "", error: t("playground.references.wrong_type", { type }) });
  }
  if (old.preview.startsWith("blob:")) URL.revokeObjectURL(old.preview);
  updateReference(key, { state: "ready", url, preview: localPath(url) });
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
  references.value = references.value.filter((one) => one.key !== key);
  if (mask.value?.referenceKey === key) mask.value = null;
}
