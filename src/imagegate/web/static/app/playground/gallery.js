// The gallery: what runs and what is finished, newest first, with its filters.
import { html } from "html";
import { useEffect, useRef } from "preact/hooks";
import { errorText } from "../errors.js";
import { t } from "../i18n.js";
import { TaskFilters } from "../tasks/filters.js";
import { isFiltered, NO_FILTERS } from "../tasks/list.js";
import { SearchOn } from "../tasks/search_on.js";
import { Grid } from "./grid.js";
import { items, list } from "./items.js";
import { isWide } from "./layout.js";
import { modelNames } from "./model.js";
import { startedCount } from "./runs.js";

export function Gallery() {
  const scroller = useRef(/** @type {HTMLDivElement | null} */ (null));
  const started = startedCount.value;
  // A run that was started comes into sight, at the top.
  useEffect(() => {
    if (!started) return;
    if (isWide.value) scroller.current?.scrollTo({ top: 0 });
    else scroller.current?.querySelector(".tile")?.scrollIntoView({ block: "center" });
  }, [started]);
  const filtered = isFiltered(list.filters.value);
  const shown = items.value;
  const isEmpty = !shown.length && !list.loading.value && !list.error.value && !list.hasMore.value;
  return html`
    <section class="gallery" aria-label=${t("playground.gallery.title")} aria-busy=${list.loading.value}>
      <${TaskFilters} list=${list} models=${modelNames.value} />
      <div class="gallery-body" ref=${scroller} data-gallery>
        ${isEmpty && (filtered ? html`<${NoMatch} />` : html`<${Welcome} />`)}
        <${Grid} items=${shown} label=${t("playground.gallery.title")} onEnd=${isWide.value ? list.more : noMore} />
        <${ListEnd} />
      </div>
    </section>
  `;
}

// Where the page itself scrolls, endless tiles would hide what stands below them.
const noMore = () => {};

function ListEnd() {
  const { error, hasMore, loading, more, reload, stopped } = list;
  if (error.value) {
    return html`
      <p class="list-end small error-text" role="alert">
        ${errorText(error.value)}
        <button class="button tight" type="button" onClick=${reload}>${t("app.retry")}</button>
      </p>
    `;
  }
  if (hasMore.value && stopped.value) return html`<${SearchOn} list=${list} />`;
  if (!hasMore.value || isWide.value) return null;
  return html`
    <p class="list-end">
      <button class="button" type="button" disabled=${loading.value} data-more onClick=${more}>
        ${t("playground.gallery.more")}
      </button>
    </p>
  `;
}

const NoMatch = () => html`
  <div class="empty" data-no-match>
    <p>${t("playground.gallery.no_match")}</p>
    <button class="button" type="button" onClick=${() => list.setFilters(NO_FILTERS)}>${t("app.tasks.clear")}</button>
  </div>
`;

/** Before the first run. */
const Welcome = () => html`
  <div class="empty welcome">
    <svg viewBox="0 0 48 48" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true">
      <path d="M8 40V22a16 16 0 0 1 32 0v18" /><path d="M4 40h40" />
      <circle cx="24" cy="21" r="4" /><path d="m13 40 8-10 5 6 4-4 5 8" />
    </svg>
    <p>${t("playground.welcome")}</p>
  </div>
`;
