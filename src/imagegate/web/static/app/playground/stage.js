// The right side: a row of tabs, and the gallery, a matrix or the code below it.
import { html } from "html";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../i18n.js";
import { lazy } from "../lazy.js";
import { followFold } from "./column.js";
import { Drawer } from "./drawer.js";
import { Gallery } from "./gallery.js";
import { openedItem } from "./items.js";
import { isWide } from "./layout.js";
import { NotifyButton } from "./notify.js";
import { startedCount } from "./runs.js";
import { SelectionBar } from "./selection.js";
import { Tally } from "./tally.js";
import { matrixStarting, showView, view } from "./views.js";

/** @typedef {import("./views.js").View} View */

const VIEWS = /** @type {View[]} */ (["gallery", "matrix", "code"]);

/** @param {KeyboardEvent} event */
function stepTab({ key, currentTarget }) {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[key];
  if (!step) return;
  const next = VIEWS[(VIEWS.indexOf(view.value) + step + VIEWS.length) % VIEWS.length];
  showView(next);
  /** @type {HTMLElement} */ (currentTarget).querySelector(/** @type {any} */ (`#pg-tab-${next}`))?.focus();
}

const MatrixPanel = lazy(async () => (await import("./matrix.js")).MatrixPanel);
const CodePanel = lazy(async () => (await import("./code_panel.js")).CodePanel);

const CONTENT = {
  gallery: () => html`<${Gallery} /><${Drawer} />`,
  matrix: () => html`<${MatrixPanel} /><${Drawer} />`,
  code: () => html`<${CodePanel} />`,
};

export function Stage() {
  const stage = useRef(/** @type {HTMLElement | null} */ (null));
  const started = startedCount.value;
  useEffect(() => (stage.current ? followFold(stage.current) : undefined), []);
  // What the form starts is shown; a matrix shows its own.
  useEffect(() => {
    if (started && !matrixStarting.value) showView("gallery");
  }, [started]);
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
      onClick=${() => showView(name)}
    >${t(`playground.views.${name}`)}</button>
  `;
  return html`
    <section class="stage" ref=${stage} aria-label=${t("playground.views.title")}>
      <header class="stage-top">
        <div role="tablist" class="stage-tabs" aria-label=${t("playground.views.title")} onKeyDown=${stepTab}>
          ${VIEWS.map(tab)}
        </div>
        <div class="row stage-state"><${Tally} /><${NotifyButton} /></div>
      </header>
      <div class="stage-view" id="pg-view" role="tabpanel" aria-labelledby=${`pg-tab-${view.value}`}>
        ${CONTENT[view.value]()}
      </div>
      ${!(openedItem.value && !isWide.value) && html`<${SelectionBar} />`}
    </section>
  `;
}
