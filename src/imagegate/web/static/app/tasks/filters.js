// The filters above a list of tasks: words of the prompt, status, model, date, star, references, tag.
import { html } from "html";
import { useState } from "preact/hooks";
import { localDay } from "../dates.js";
import { withValue } from "../dom.js";
import { t } from "../i18n.js";
import { isFiltered, NO_FILTERS } from "./list.js";

/** @typedef {import("./list.js").Filters} Filters */
/** @typedef {import("./list.js").TaskList} TaskList */

const STATUSES = ["pending", "processing", "completed", "failed", "cancelled"];
/** Days before today: the first, and the last where it is not open. @type {Record<string, number[]>} */
const PERIODS = { today: [0], yesterday: [1, 1], week: [6], month: [29] };

/** A day of this place: "2026-11-30". @param {number} back days before today */
function dayBefore(back) {
  const now = new Date();
  return localDay(new Date(now.getFullYear(), now.getMonth(), now.getDate() - back));
}

/** @param {{list: TaskList, models: string[], children?: any}} props `children` stand behind the filters */
export function TaskFilters({ list, models, children }) {
  const [open, setOpen] = useState(false);
  const filters = list.filters.value;
  const set = list.setFilters;
  const statuses = STATUSES.map((status) => [status, t(`app.tasks.status.${status}`)]);
  const submit = (/** @type {Event} */ event) => event.preventDefault();
  return html`
    <form class="task-filters" role="search" onSubmit=${submit}>
      <${SearchField} value=${filters.q} onChange=${(/** @type {string} */ q) => set({ q })} />
      <button
        class="button tight filters-open"
        type="button"
        aria-expanded=${open}
        data-filters-open
        onClick=${() => setOpen(!open)}
      >${t("app.tasks.filters")}</button>
      <div class=${`filters-rest ${open ? "open" : ""}`}>
        <${Choice} name="status" value=${filters.status} options=${statuses} set=${set} />
        <${Choice} name="model" value=${filters.model} options=${models.map((id) => [id, id])} set=${set} />
        <${Period} filters=${filters} set=${set} />
        <${Toggle} name="starred" value=${filters.starred} set=${set}>★ ${t("app.tasks.starred")}<//>
        <${Toggle} name="references" value=${filters.references} set=${set}>${t("app.tasks.references")}<//>
        ${filters.tag && html`<${Tag} tag=${filters.tag} set=${set} />`}
        ${isFiltered(filters) && html`<${ClearButton} set=${set} />`}
        ${children}
      </div>
    </form>
  `;
}

/** @param {{value: string, onChange: (words: string) => void}} props */
function SearchField({ value, onChange }) {
  const label = t("app.tasks.search");
  return html`
    <input
      class="input tight"
      type="search"
      maxlength="200"
      aria-label=${label}
      placeholder=${label}
      value=${value}
      data-search
      onInput=${withValue(onChange)}
    />
  `;
}

/** @typedef {(changes: Partial<Filters>) => void} Set */

/** @param {{name: string, value: string, options: string[][], set: Set}} props */
function Choice({ name, value, options, set }) {
  const option = (/** @type {string[]} */ [id, text]) =>
    html`<option key=${id} value=${id} selected=${id === value}>${text}</option>`;
  return html`
    <select
      class="input tight"
      aria-label=${t(`app.tasks.${name === "status" ? "status_label" : name}`)}
      data-filter=${name}
      data-set=${Boolean(value)}
      onChange=${withValue((chosen) => set({ [name]: chosen }))}
    >
      <option value="" selected=${!value}>${t(`app.tasks.any_${name}`)}</option>
      ${options.map(option)}
    </select>
  `;
}

/** @param {string} name */
function daysOf(name) {
  const [first, last] = PERIODS[name];
  return { from: dayBefore(first), to: last === undefined ? "" : dayBefore(last) };
}

/** @param {{filters: Filters, set: Set}} props */
function Period({ filters: { from, to }, set }) {
  const known = Object.keys(PERIODS).find((name) => {
    const days = daysOf(name);
    return days.from === from && days.to === to;
  });
  const value = known ?? (from || to ? "custom" : "");
  const options = [...Object.keys(PERIODS), "custom"].map((name) => [name, t(`app.tasks.period.${name}`)]);
  const pick = (/** @type {Partial<Filters> & {date?: string}} */ { date = "" }) => {
    if (date === "custom") set({ from: from || dayBefore(0), to: dayBefore(0) });
    else set(date ? daysOf(date) : { from: "", to: "" });
  };
  const day = (/** @type {"from" | "to"} */ name, /** @type {string} */ chosen) => html`
    <input
      class="input tight"
      type="date"
      aria-label=${t(`app.tasks.${name}`)}
      title=${t(`app.tasks.${name}`)}
      value=${chosen}
      data-filter=${name}
      onChange=${withValue((text) => set({ [name]: text }))}
    />
  `;
  return html`
    <${Choice} name="date" value=${value} options=${options} set=${pick} />
    ${value === "custom" && html`${day("from", from)}${day("to", to)}`}
  `;
}

/** @param {{name: "starred" | "references", value: string, set: Set, children?: any}} props */
function Toggle({ name, value, set, children }) {
  return html`
    <button
      class="button tight"
      type="button"
      aria-pressed=${value === "true"}
      data-filter=${name}
      onClick=${() => set({ [name]: value ? "" : "true" })}
    >${children}</button>
  `;
}

/** @param {{tag: string, set: Set}} props */
const Tag = ({ tag, set }) => html`
  <button class="button tight" type="button" aria-pressed="true" data-filter="tag" onClick=${() => set({ tag: "" })}>
    #${tag} <span aria-hidden="true">✕</span><span class="unseen">${t("app.tasks.remove_tag")}</span>
  </button>
`;

/** @param {{set: Set}} props */
const ClearButton = ({ set }) => html`
  <button class="button tight bare" type="button" data-clear onClick=${() => set(NO_FILTERS)}>
    ${t("app.tasks.clear")}
  </button>
`;
