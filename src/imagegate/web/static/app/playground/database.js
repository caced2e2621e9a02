// What this browser keeps of the playground, in IndexedDB: it works on plain http too, holds images, and its transactions
// exclude each other across tabs.

const NAME = "imagegate";
const VERSION = 1;
const STORES = ["drafts", "gestures"];

/** @type {Promise<IDBDatabase | null> | undefined} */
let opened;

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
    database.onversionchange = () => database.close();
    return database;
  } catch {
    return null;
  }
}

/**
 * Run `act` in a transaction of its own; `fallback` is the result where the browser stores nothing.
 * @template T @param {"drafts" | "gestures"} name @param {(store: IDBObjectStore) => Promise<T>} act @param {T} fallback
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
