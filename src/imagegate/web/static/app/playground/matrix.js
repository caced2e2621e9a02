// One prompt over several models, qualities and sizes at once: the choice, its total, and the results side by side.
import { html } from "html";
import { useEffect } from "preact/hooks";
import { askConfirm } from "../confirm.js";
import { errorText } from "../errors.js";
import { formatNumber, t } from "../i18n.js";
import { formatCredits, formatUsd } from "../money.js";
import { account, showToast, signInOpen } from "../store.js";
import { blockers } from "./form.js";
import {
  AXES,
  cells,
  choices,
  loadParameters,
  MAX_CELLS,
  nameOf,
  selected,
  toggle,
  valueText,
} from "./matrix_cells.js";
import { isAffordable, priceOf, total, watchQuotes } from "./matrix_price.js";
import { MatrixResults, MatrixRows } from "./matrix_rows.js";
import { matrix, startMatrix, watchMatrix } from "./matrix_runs.js";
import { Figure } from "./price.js";
import { matrixStarting } from "./views.js";

/** @typedef {import("./matrix_cells.js").Axis} Axis */
/** @typedef {import("./matrix_cells.js").Cell} Cell */

export function MatrixPanel() {
  useEffect(watchMatrix, []);
  return html`
    <section class="matrix" aria-label=${t("playground.matrix.title")}>
      ${matrix.value ? html`<${MatrixResults} />` : html`<${Setup} />`}
    </section>
  `;
}

function Setup() {
  const models = selected("model").join();
  useEffect(() => {
    loadParameters();
  }, [models]);
  useEffect(watchQuotes, []);
  // The button that led back here is gone.
  useEffect(() => {
    const run = /** @type {HTMLElement | null} */ (document.querySelector("[data-run-matrix]"));
    if (document.activeElement === document.body) run?.focus({ preventScroll: true });
  }, []);
  return html`
    <p class="small soft">${t("playground.matrix.about", { max: MAX_CELLS })}</p>
    <div class="matrix-axes">${AXES.map((axis) => html`<${Choice} key=${axis} axis=${axis} />`)}</div>
    <${Total} />
    ${cells.value.length <= MAX_CELLS && html`<${Preview} />`}
  `;
}

/** @param {{axis: Axis}} props */
function Choice({ axis }) {
  const values = choices(axis);
  if (!values.length) return null;
  const chosen = selected(axis);
  const chip = (/** @type {string} */ value) => html`
    <label key=${value} class="chip">
      <input
        type="checkbox"
        name=${`pg-matrix-${axis}`}
        value=${value}
        checked=${chosen.includes(value)}
        onChange=${() => toggle(axis, value)}
      />
      <span>${valueText(axis, value)}</span>
    </label>
  `;
  return html`
    <fieldset>
      <legend class="label">${t(`playground.matrix.axes.${axis}`)}</legend>
      <div>${values.map(chip)}</div>
    </fieldset>
  `;
}

/** Why nothing can run; empty where something can. */
function obstacle() {
  const { isKnown, runnable } = total.value;
  if (cells.value.length > MAX_CELLS) {
    return t("playground.matrix.too_many", { count: cells.value.length, max: MAX_CELLS });
  }
  if (blockers.value.length) return blockers.value[0];
  if (!isKnown) return t("playground.spend.pricing");
  if (!runnable.length) return t("playground.matrix.all_refused");
  return isAffordable.value ? "" : t("playground.unaffordable");
}

async function run() {
  if (!account.value) {
    signInOpen.value = true;
    return;
  }
  const reason = obstacle();
  if (reason) return showToast(reason, "bad");
  const { refused, runnable } = total.value;
  if (!refused.length || (await askToLeaveOut())) await startMatrix(runnable);
}

/** Whether the others are to run without the cells that are refused. */
function askToLeaveOut() {
  const { refused, runnable, expected } = total.value;
  const reasons = new Map(refused.map((cell) => [errorText(cell.error), /** @type {string[]} */ ([])]));
  for (const cell of refused) reasons.get(errorText(cell.error))?.push(nameOf(cell));
  return askConfirm({
    title: refusedText(),
    text: [...reasons].map(([reason, names]) => `${names.join("\n")}\n${reason}`).join("\n\n"),
    confirm: t("playground.matrix.run_others", { count: runnable.length, usd: formatUsd(expected) }),
  });
}

function Total() {
  const { isKnown, runnable, expected, maximum } = total.value;
  const reason = obstacle();
  const known = isKnown && runnable.length > 0;
  const about = { usd: formatUsd(maximum), credits: formatCredits(maximum) };
  return html`
    <div class="matrix-total card" aria-busy=${!isKnown} data-matrix-total>
      <dl>
        <${Figure} name="expected" money=${known ? expected : null} attrs=${{ "data-matrix-quote": "expected" }} />
        <${Figure} name="maximum" money=${known ? maximum : null} attrs=${{ "data-matrix-quote": "maximum" }} />
      </dl>
      <p class="small error-text" aria-live="polite" data-matrix-hindrance>${reason || refusedText()}</p>
      <button
        type="button"
        class="button main"
        aria-busy=${matrixStarting.value}
        aria-disabled=${matrixStarting.value || Boolean(reason && account.value)}
        title=${known ? t("playground.spend.maximum", about) : reason}
        data-run-matrix
        onClick=${run}
      >${runText()}</button>
    </div>
  `;
}

function runText() {
  if (account.value === null) return t("app.account.sign_in");
  const { isKnown, runnable, expected } = total.value;
  const count = isKnown ? runnable.length : cells.value.length;
  const price = isKnown && count ? ` · ${formatUsd(expected)}` : "";
  return t("playground.matrix.run", { count: formatNumber(count) }) + price;
}

/** "2 of 8 can't run"; empty where all can. */
function refusedText() {
  const { length: count } = total.value.refused;
  return count ? t("playground.matrix.refused", { count, all: cells.value.length }) : "";
}

/** The cells before the run, each with its price or why it is refused. */
const Preview = () => html`<${MatrixRows} cells=${cells.value} content=${cellPrice} />`;

/** @param {Cell} cell */
function cellPrice(cell) {
  const { quote, error } = priceOf(cell);
  if (error) return html`<p class="small error-text" data-refused>${errorText(error)}</p>`;
  return html`<p class="small soft" data-cell-price>${quote ? formatUsd(quote.expected) : "…"}</p>`;
}
