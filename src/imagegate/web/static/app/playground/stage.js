// The right side: a row of tabs, and the gallery or the code below it.
import { html } from "html";
import { t } from "../i18n.js";
import { Drawer } from "./drawer.js";
import { Gallery, Tally } from "./gallery.js";
import { CodePanel } from "./snippets.js";
import { showCode, showGallery, view } from "./views.js";

/** @typedef {import("./views.js").View} View */

const VIEWS = /** @type {View[]} */ (["gallery", "code"]);
const SHOW = { gallery: showGallery, code: () => showCode() };

/** @param {KeyboardEvent} event */
function stepTab({ key, currentTarget }) {
  if (key !== "ArrowLeft" && key !== "ArrowRight") return;
  const next = view.value === "gallery" ? "code" : "gallery";
  SHOW[next]();
  /** @type {HTMLElement} */ (currentTarget).querySelector(/** @type {any} */ (`#pg-tab-${next}`))?.focus();
}

export function Stage() {
  const tab = (/** @type {View} */ name) => html`
    <button
      key=${name}
      class="stage-tab"
      type="button"
      role="tab"
      id=${`pg-tab-${name}`}
      aria-controls="pg-view"
      aria-selected=${view.value === name}
      tabindex=${view.value === name ? 0 : -1}
      ...${{ [`data-as-${name}`]: true }}
      onClick=${SHOW[name]}
    >${t(`playground.views.${name}`)}</button>
  `;
  const content = view.value === "code" ? html`<${CodePanel} />` : html`<${Gallery} /><${Drawer} />`;
  return html`
    <section class="stage" aria-label=${t("playground.views.title")}>
      <header class="stage-top">
        <div role="tablist" class="stage-tabs" aria-label=${t("playground.views.title")} onKeyDown=${stepTab}>
          ${VIEWS.map(tab)}
        </div>
        <${Tally} />
      </header>
      <div class="stage-view" id="pg-view" role="tabpanel" aria-labelledby=${`pg-tab-${view.value}`}>${content}</div>
    </section>
  `;
}
