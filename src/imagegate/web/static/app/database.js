// What this browser keeps of the page, in IndexedDB: it works on plain http too, holds images, and its transactions
// exclude each other across tabs. It is erased at sign-out, in all tabs.

/** @typedef {"drafts" | "files" | "gestures"} StoreName */

const NAME = "imagegate";
const VERSION = 1;
/** @type {StoreName[]} */
const STORES = ["drafts", "files", "gestures"];

/** @type {Promise<IDBDatabase | null> | undefined} */
let opened;
let erasedListener = () => {};

/** Notify `listener` when all was erased, in this tab or another. @param {() => void} listener */
export function onErased(listener) {
  erasedListener = listener;
}

export function eraseDatabase() {
  // The browser tells other tabs. It tells this one too, but only where its connection is still open.
  erasedListener();
  try {
    indexedDB.deleteDatabase(NAME);
  } catch {
    // where nothing can be stored, nothing is
  }
}

/** The result of a request. @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
export function resultOf(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Null where the browser stores nothing. @returns {Promise<IDBDatabase | null>} */
async function openDatabase() {
  try {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      for (const store of STORES) request.result.createObjectStore(store, { keyPath: "id" });
    };
    const database = await resultOf(request);
    // The browser closes connections of its own accord, as when a page is put aside for the way back.
    database.onclose = () => {
      opened = undefined;
    };
    database.onversionchange = (event) => {
      database.close();
      opened = undefined;
      if (event.newVersion === null) erasedListener();
    };
    return database;
  } catch {
    return null;
  }
}

/**
 * Run `act` in a transaction of its own; `fallback` is the result where the browser stores nothing.
 * @template T
 * @param {StoreName} name
 * @param {(store: IDBObjectStore) => Promise<T>} act
 * @param {T} fallback
 * @returns {Promise<T>}
 */
export async function inStore(name, act, fallback) {
  opened ??= openDatabase();
  const database = await opened;
  if (!database) return fallback;
  try {
    return await act(database.transaction(name, "readwrite").objectStore(name));
  } catch {
    return fallback;
  }
}
