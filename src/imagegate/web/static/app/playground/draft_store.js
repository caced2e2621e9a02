// Drafts of the form in IndexedDB: one for each account and tab, and the files that are not uploaded yet.
import { inStore, resultOf } from "../database.js";
import { randomId } from "../ids.js";
import { readStored, writeStored } from "../storage.js";

/**
 * @typedef {import("./form.js").FormState & {id: string, owner: string, page: string, address: string, at: number}}
 *   Draft
 *   `page`: the model whose page it was; `address`: what stood after # then
 */

const TAB_KEY = "imagegate.tab";
const MAX_AGE_MS = 7 * 24 * 3_600_000;
const MAX_KEPT = 40;

/** The name of this tab: it stays over a reload, and is empty where the browser stores nothing. */
function tabName() {
  writeStored(TAB_KEY, readStored(TAB_KEY, "sessionStorage") || randomId(), "sessionStorage");
  return readStored(TAB_KEY, "sessionStorage");
}

const tab = tabName();

/** @param {string} owner */
const draftId = (owner) => `${owner} ${tab}`;

/** @param {Omit<Draft, "id" | "at">} draft */
export async function saveDraft(draft) {
  await inStore("drafts", (store) => resultOf(store.put({ ...draft, id: draftId(draft.owner), at: Date.now() })), "");
}

/** @param {string} owner */
export async function dropDraft(owner) {
  await inStore("drafts", (store) => resultOf(store.delete(draftId(owner))), undefined);
}

/**
 * The draft of this tab, else the newest of the account: that of a tab that was closed.
 * @param {string} owner
 * @param {boolean} [ofThisTab] no other
 * @returns {Promise<Draft | null>}
 */
export async function loadDraft(owner, ofThisTab = false) {
  const drafts = await inStore("drafts", (store) => readFresh(store), /** @type {Draft[]} */ ([]));
  const own = drafts.filter((draft) => draft.owner === owner);
  return own.find((draft) => draft.id === draftId(owner)) ?? (ofThisTab ? null : own[0]) ?? null;
}

/** Newest first; old ones go. @param {IDBObjectStore} store @returns {Promise<any[]>} */
async function readFresh(store) {
  const all = /** @type {any[]} */ (await resultOf(store.getAll())).sort((one, other) => other.at - one.at);
  const isFresh = (/** @type {any} */ one, /** @type {number} */ index) =>
    one.at > Date.now() - MAX_AGE_MS && index < MAX_KEPT;
  const fresh = all.filter(isFresh);
  for (const one of all) if (!fresh.includes(one)) store.delete(one.id);
  return fresh;
}

/** @param {string} key of the reference @param {File} file */
export async function keepFile(key, file) {
  await inStore("files", (store) => resultOf(store.put({ id: key, file, at: Date.now() })), "");
}

/** @param {string} key */
export async function dropFile(key) {
  await inStore("files", (store) => resultOf(store.delete(key)), undefined);
}

/** @returns {Promise<Map<string, File>>} by the key of the reference */
export async function loadFiles() {
  const kept = await inStore("files", (store) => readFresh(store), []);
  return new Map(kept.map(({ id, file }) => [id, file]));
}
