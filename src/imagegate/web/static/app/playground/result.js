// The result of a run, in images and in figures: requested against actual, quoted against billed.
import { html } from "html";
import { useEffect, useState } from "preact/hooks";
import { get, localPath } from "../api.js";
import { formatNumber, formatTime, t } from "../i18n.js";
import { formatUsd, roundDecimal } from "../money.js";
import { isOperator } from "../store.js";
import { addAsReference, RunActions } from "./actions.js";
import { fileName, saveFile } from "./files.js";
import { enlarged, isSelected, refOf, toggleSelected } from "./images.js";
import { clock } from "./runs.js";

/** @typedef {import("./runs.js").Run} Run */
/** @typedef {import("./images.js").Image} Image */

/** @param {{run: Run}} props */
export function RunResult({ run }) {
  const task = run.task;
  return html`
    ${task.status === "completed" && html`<${Images} run=${run} />`}
    <${RunActions} run=${run} />
    ${task.request && html`<${Facts} run=${run} />`}
  `;
}

/** @param {any} value @param {number} digits */
const credits = (value, digits) => t("app.credits", { amount: roundDecimal(String(value), digits) });

/** @param {{run: Run}} props */
function Images({ run }) {
  const { result_data: results = [], results_expire_at: expiresAt, notice } = run.task;
  const expired = Boolean(expiresAt) && expiresAt <= clock.value;
  const item = (/** @type {any} */ result, /** @type {number} */ index) =>
    html`<li key=${result.result_id}><${Figure} image=${{ run, result, index }} expired=${expired} /></li>`;
  return html`
    <ul class=${`images ${results.length > 1 ? "many" : ""}`}>${results.map(item)}</ul>
    ${expiresAt && html`<p class="small soft" data-expiry><${Countdown} until=${expiresAt} /></p>`}
    ${notice && html`<p class="small soft">${t("playground.embedded")}</p>`}
  `;
}

/** @param {{image: Image, expired: boolean}} props */
function Figure({ image, expired }) {
  const preview = html`<${Preview} image=${image} expired=${expired} />`;
  if (expired) return html`<figure><div class="image">${preview}</div></figure>`;
  const { result, index } = image;
  const name = fileName(image);
  const ref = refOf(image);
  const enlarge = () => {
    enlarged.value = ref;
  };
  const use = () => addAsReference(result, name);
  const save = () => saveFile(localPath(result.image_url), name);
  const number = index + 1;
  return html`
    <figure>
      <div class="image">
        <button
          class="open"
          type="button"
          data-open
          aria-label=${t("playground.enlarge", { number })}
          onClick=${enlarge}
        >${preview}</button>
        <label class="choose">
          <input
            type="checkbox"
            checked=${isSelected(ref)}
            onChange=${() => toggleSelected(ref)}
            aria-label=${t("playground.selection.select", { number })}
            data-choose
          />
        </label>
      </div>
      <figcaption class="row">
        <button class="button tight bare" type="button" data-use onClick=${use}>${t("playground.use")}</button>
        <button class="button tight bare" type="button" onClick=${save}>${t("playground.download")}</button>
      </figcaption>
    </figure>
  `;
}

/** @param {{image: Image, expired: boolean}} props */
function Preview({ image: { run, result, index }, expired }) {
  const source = result.thumbnail_url ?? (expired ? "" : result.image_url);
  if (!source) return html`<span class="not-stored">${t("playground.not_stored")}</span>`;
  const prompt = run.task.request?.prompt.slice(0, 120) ?? "";
  return html`
    <img
      src=${localPath(source)}
      width=${result.width}
      height=${result.height}
      alt=${t("playground.image_alt", { number: index + 1, prompt })}
      loading="lazy"
      decoding="async"
    />
  `;
}

/** @param {{until: number}} props */
function Countdown({ until }) {
  const left = until - clock.value;
  if (left <= 0) return html`<span>${t("playground.expired")}</span>`;
  const [minutes, seconds] = [Math.floor((left % 3600) / 60), left % 60].map((one) => String(one).padStart(2, "0"));
  const time = `${Math.floor(left / 3600)}:${minutes}:${seconds}`;
  return html`<span title=${formatTime(until)}>${t("playground.expires", { left: time })}</span>`;
}

/** @param {{run: Run}} props */
function Facts({ run }) {
  const { task } = run;
  const { billing, duration, usage, request, attempts = [] } = task;
  const seconds = duration && formatNumber(duration, { maximumFractionDigits: 1 });
  const took = seconds ? ` · ${t("playground.seconds", { seconds })}` : "";
  const version = usage.price_version && t("playground.facts.version", { version: usage.price_version });
  return html`
    <details class="facts">
      <summary>
        ${t("playground.facts.title")} <span class="soft small">${credits(billing.charged_credits, 3)}${took}</span>
      </summary>
      <${Comparison} run=${run} />
      <p class="small soft">
        ${t("playground.facts.task")}: <code>${task.id}</code> · ${request.model} ·${" "}
        ${formatTime(task.created)}${version ? ` · ${version}` : ""}
      </p>
      <${Attempts} id=${task.id} attempts=${attempts} />
    </details>
  `;
}

/** @param {{run: Run}} props */
function Comparison({ run }) {
  const row = (/** @type {string[]} */ [name, requested, actual]) => html`
    <tr key=${name}>
      <th scope="row">${t(`playground.facts.${name}`)}</th>
      <td>${requested}</td>
      <td data-actual=${name}>${actual}</td>
    </tr>
  `;
  return html`
    <div class="scroll">
      <table class="facts-table">
        <thead>
          <tr>
            <td></td>
            <th scope="col">${t("playground.facts.requested")}</th>
            <th scope="col">${t("playground.facts.actual")}</th>
          </tr>
        </thead>
        <tbody>${comparisonRows(run).map(row)}</tbody>
      </table>
    </div>
  `;
}

/** Name, requested, actual. @param {Run} run @returns {string[][]} */
function comparisonRows(run) {
  const { request, result_data: results = [], usage, billing } = run.task;
  const distinct = (/** @type {(result: any) => string} */ of) =>
    [...new Set(results.map(of))].filter(Boolean).join(", ");
  const quality = request.quality ? t("playground.facts.not_reported") : "–";
  return [
    ["size", [request.size, request.resolution].filter(Boolean).join(" · "), distinct(sizeOf) || "–"],
    ["format", request.output_format.toUpperCase(), formatText(results)],
    ["quality", request.quality ?? "–", distinct((result) => result.quality) || quality],
    ["n", String(request.n), String(results.length)],
    ["tokens", "–", tokenText(usage.tokens)],
    ["price", priceText(run), credits(billing.charged_credits, 6)],
  ];
}

/** @param {any} result */
const sizeOf = (result) => `${result.width} × ${result.height}`;

/** @param {any[]} results */
function formatText(results) {
  if (!results.length) return "–";
  const sizes = results.map((result) => `${formatNumber(Math.round(result.bytes / 1024))} KiB`);
  return `${results[0].mime_type} · ${sizes.join(", ")}`;
}

/** @param {any} tokens */
function tokenText(tokens) {
  if (!tokens) return "–";
  const [text, image, output] = [tokens.text_input, tokens.image_input, tokens.image_output].map((n) =>
    formatNumber(n),
  );
  return t("playground.facts.token_text", { text, image, output });
}

/** The quote that was in sight; of an older task only the hold is known. @param {Run} run */
function priceText({ quote, task }) {
  if (!quote) return t("playground.facts.reserved", { amount: credits(task.billing.reserved_credits, 6) });
  const [expected, maximum] = [quote.expected, quote.maximum].map((money) => credits(money.credits, 6));
  return t("playground.facts.quoted", { expected, maximum });
}

/** Each attempt; the operator also sees its route and cost. @param {{id: string, attempts: any[]}} props */
function Attempts({ id, attempts }) {
  const operator = isOperator();
  const [costs, setCosts] = useState(/** @type {any} */ (null));
  useEffect(() => {
    if (operator) get(`/v1/admin/tasks/${id}`).then((reply) => reply.ok && setCosts(reply.value));
  }, [operator, id]);
  const costOf = (/** @type {number} */ number) =>
    costs?.attempts.find((/** @type {any} */ found) => found.attempt === number);
  const item = (/** @type {any} */ attempt) =>
    html`<${Attempt} key=${attempt.attempt} attempt=${attempt} cost=${costOf(attempt.attempt)} />`;
  return html`
    <ol class="attempts small" data-attempts>${attempts.map(item)}</ol>
    ${costs && html`<${Margin} costs=${costs} />`}
  `;
}

/** @param {{costs: any}} props */
function Margin({ costs }) {
  const text = t("playground.facts.margin", { cost: formatUsd(costs.cost), margin: formatUsd(costs.margin) });
  return html`<p class="small soft" data-margin>${text}</p>`;
}

/** @param {{attempt: any, cost: any}} props */
function Attempt({ attempt: { attempt, outcome, duration, charged }, cost }) {
  const parts = [
    `${t("playground.facts.attempt", { number: attempt })}: ${outcome}`,
    duration === null ? "" : t("playground.seconds", { seconds: formatNumber(duration) }),
    t(charged ? "playground.facts.charged" : "playground.facts.not_charged"),
  ];
  return html`<li>${parts.filter(Boolean).join(", ")}${cost && html` · <${Cost} of=${cost} />`}</li>`;
}

/** @param {{of: any}} props */
const Cost = ({ of: { route, cost, possible_duplicate } }) => html`
  <code data-upstream>${route}</code> ${formatUsd(cost)}
  ${possible_duplicate && ` · ${t("playground.facts.duplicate")}`}
`;
