// A list of tasks with its filters, read from the newest on, page after page by cursor.
import { signal } from "@preact/signals";
import { get } from "../api.js";

/**
 * @typedef {import("../api.js").ApiError} ApiError
 * @typedef {{q: string, status: string, model: string, starred: string, references: string, tag: string, from: string,
 *   to: string, account: string}} Filters   "" is no filter; `starred` and `references` are "true"; `from` and `to` are
 *   days of this place, both included: "2026-11-30"; `account` is for operators alone
 */

/** @type {Filters} */
export const NO_FILTERS = {
  q: "",
  status: "",
  model: "",
  starred: "",
  references: "",
  tag: "",
  from: "",
  to: "",
  account: "",
};

const TYPING_MS = 250;
/** So many pages are read in a row where they have few rows; then somebody has to ask for more. */
const MAX_PAGES = 20;

/** @param {Filters} filters */
export const isFiltered = (filters) => Object.values(filters).some(Boolean);

/** Midnight of a day, or of the one after it, in Unix seconds. @param {string} day @param {number} [after] */
function midnight(day, after = 0) {
  const [year, month, date] = day.split("-").map(Number);
  return String(new Date(year, month - 1, date + after).getTime() / 1000);
}

/** The filters as the API names them. @param {Filters} filters */
function filterQuery({ from, to, ...filters }) {
  const query = new URLSearchParams(Object.entries(filters).filter(([, value]) => value));
  if (from) query.set("created_after", midnight(from));
  if (to) query.set("created_before", midnight(to, 1));
  return query;
}

export class TaskList {
  filters = signal({ ...NO_FILTERS });
  rows = signal(/** @type {any[]} */ ([]));
  loading = signal(false);
  /** Whether the rows are those of the filters: false until the first answer. */
  loaded = signal(false);
  error = signal(/** @type {ApiError | null} */ (null));
  hasMore = signal(false);
  /** Whether so many pages had few rows that it went no further back by itself. */
  stopped = signal(false);
  #path;
  #pageSize;
  #cursor = "";
  /** Counts what makes older answers worthless. */
  #generation = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #typing;

  /** @param {{path: string, pageSize: number}} options `path`: `/v1/tasks`, or the operator's list of all accounts */
  constructor({ path, pageSize }) {
    this.#path = path;
    this.#pageSize = pageSize;
  }

  /** Read it anew from the newest. */
  reload = async () => {
    const generation = ++this.#generation;
    this.loading.value = true;
    await this.#read("", (page) => {
      this.#show(page.data, page);
      this.loaded.value = true;
    });
    if (!this.error.value) await this.#fill(generation, 0);
    if (generation === this.#generation) this.loading.value = false;
  };

  /** The next older page. */
  more = async () => {
    if (this.loading.value || !this.#cursor) return;
    const generation = this.#generation;
    this.loading.value = true;
    await this.#fill(generation, this.rows.value.length);
    if (generation === this.#generation) this.loading.value = false;
  };

  /** What is new at the top, and what has changed there; older rows stay. */
  refresh = async () => {
    if (!this.loaded.value) return this.reload();
    const generation = this.#generation;
    await this.#read("", (page) => {
      const oldest = page.data.at(-1)?.id;
      const at = this.rows.value.findIndex(({ id }) => id === oldest);
      if (at < 0 || !page.next_cursor) this.#show(page.data, page);
      else this.rows.value = [...page.data, ...this.rows.value.slice(at + 1)];
    });
    if (!this.error.value) await this.#fill(generation, 0);
  };

  /** @param {Partial<Filters>} changes */
  setFilters = (changes) => {
    this.filters.value = { ...this.filters.value, ...changes };
    clearTimeout(this.#typing);
    this.#typing = setTimeout(this.reload, changes.q ? TYPING_MS : 0);
  };

  /** @param {string} id @param {any} changes */
  updateRow = (id, changes) => {
    this.rows.value = this.rows.value.map((row) => (row.id === id ? { ...row, ...changes } : row));
  };

  /** @param {string[]} ids */
  removeRows = (ids) => {
    this.rows.value = this.rows.value.filter((row) => !ids.includes(row.id));
  };

  /** As before the first answer, for another account. */
  clear = () => {
    this.#generation++;
    this.filters.value = { ...NO_FILTERS };
    this.#show([], {});
    this.loaded.value = false;
    this.loading.value = false;
    this.stopped.value = false;
    this.error.value = null;
  };

  /**
   * Read on until there is a page more than `before` rows. The gateway looks through so many tasks for a page: it may
   * have few rows, or none, and others behind it.
   * @param {number} generation @param {number} before
   */
  async #fill(generation, before) {
    if (generation === this.#generation) this.stopped.value = false;
    for (let pages = 0; this.#cursor && this.rows.value.length < before + this.#pageSize; pages++) {
      if (pages === MAX_PAGES) {
        this.stopped.value = true;
        return;
      }
      await this.#read(this.#cursor, (page) => {
        const known = new Set(this.rows.value.map(({ id }) => id));
        this.#show([...this.rows.value, ...page.data.filter((/** @type {any} */ row) => !known.has(row.id))], page);
      });
      if (generation !== this.#generation || this.error.value) return;
    }
  }

  /** @param {string} from @param {(page: any) => void} use is called unless the list was read anew meanwhile */
  async #read(from, use) {
    const generation = this.#generation;
    const query = filterQuery(this.filters.value);
    query.set("limit", String(this.#pageSize));
    query.set("cursor", from);
    const reply = await get(`${this.#path}?${query}`);
    if (generation !== this.#generation) return;
    this.error.value = reply.ok ? null : reply;
    if (reply.ok) use(reply.value);
  }

  /** @param {any[]} rows @param {any} page */
  #show(rows, page) {
    this.rows.value = rows;
    this.#cursor = page.next_cursor ?? "";
    this.hasMore.value = Boolean(this.#cursor);
  }
}
