// A finished run in figures: requested against actual, quoted against billed, and each attempt.
import { html } from "html";
import { useEffect, useState } from "preact/hooks";
import { get } from "../api.js";
import { formatBytes, formatNumber, t, textOr } from "../i18n.js";
import { formatUsd, roundDecimal } from "../money.js";
import { isOperator } from "../store.js";
import { qualityText, requestedSize } from "./words.js";

/** @typedef {import("./runs.js").Run} Run */

const ONE_DIGIT = { maximumFractionDigits: 1 };

/** @param {any} value @param {number} digits */
const credits = (value, digits) => t("app.credits", { amount: roundDecimal(String(value), digits) });

/** @param {{run: Run}} props */
export function Facts({ run }) {
  const { task } = run;
  const { billing, duration, usage, attempts = [] } = task;
  const seconds = duration && formatNumber(duration, ONE_DIGIT);
  const took = seconds ? ` · ${t("playground.seconds", { seconds })}` : "";
  const version = usage.price_version && t("playground.facts.version", { version: usage.price_version });
  return html`
    <details class="facts">
      <summary>
        ${t("playground.facts.title")} <span class="soft small">${credits(billing.charged_credits, 3)}${took}</span>
      </summary>
      <${Comparison} run=${run} />
      <p class="small soft">
        ${t("playground.facts.task")}: <code>${task.id}</code>${version ? ` · ${version}` : ""}
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
  const unreported = request.quality ? t("playground.facts.not_reported") : "–";
  return [
    ["size", requestedSize(request), distinct(sizeOf) || "–"],
    ["format", request.output_format.toUpperCase(), formatText(results)],
    ["quality", qualityText(request.quality) || "–", distinct(({ quality }) => qualityText(quality)) || unreported],
    ["n", String(request.n), String(results.length)],
    ["tokens", "–", tokenText(usage.tokens)],
    ["price", priceText(run), credits(billing.charged_credits, 4)],
  ];
}

/** @param {any} result */
const sizeOf = (result) => `${result.width} × ${result.height}`;

/** @param {any[]} results */
function formatText(results) {
  if (!results.length) return "–";
  const sizes = results.map((result) => formatBytes(result.bytes));
  return `${results[0].mime_type.split("/")[1].toUpperCase()} · ${sizes.join(", ")}`;
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
  if (!quote) return t("playground.facts.reserved", { amount: credits(task.billing.reserved_credits, 4) });
  const [expected, maximum] = [quote.expected, quote.maximum].map((money) => credits(money.credits, 4));
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
    `${t("playground.facts.attempt", { number: attempt })}: ${textOr(`playground.facts.outcome.${outcome}`, outcome)}`,
    duration === null ? "" : t("playground.seconds", { seconds: formatNumber(duration, ONE_DIGIT) }),
    t(charged ? "playground.facts.charged" : "playground.facts.not_charged"),
  ];
  return html`<li>${parts.filter(Boolean).join(", ")}${cost && html` · <${Cost} of=${cost} />`}</li>`;
}

/** @param {{of: any}} props */
const Cost = ({ of: { route, cost, possible_duplicate } }) => html`
  <code data-upstream>${route}</code> ${formatUsd(cost)}
  ${possible_duplicate && ` · ${t("playground.facts.duplicate")}`}
`;
