// What came of a run, in pictures and in figures: requested against actual, quoted against billed.
import { html } from "html";
import { useEffect, useState } from "preact/hooks";
import { call, local } from "../api.js";
import { moment, number, t } from "../i18n.js";
import { rounded, usd } from "../money.js";
import { account } from "../store.js";
import { Actions, PictureActions } from "./actions.js";
import { now } from "./runs.js";

/** @typedef {import("./runs.js").Run} Run */

/** @param {{run: Run}} props */
export function Outcome({ run }) {
  const task = run.task;
  return html`${task.status === "completed" && html`<${Pictures} run=${run} />`}
    <${Actions} run=${run} />
    ${task.request && html`<details class="facts"><summary>${t("playground.facts.title")} <span class="soft small">${short(task)}</span></summary><${Facts} run=${run} /></details>`}`;
}

/** @param {any} task */
function short(task) {
  const used = rounded(String(task.billing.charged_credits), 3);
  return `${t("app.credits", { amount: used })}${task.duration ? ` · ${t("playground.seconds", { seconds: number(task.duration, { maximumFractionDigits: 1 }) })}` : ""}`;
}

/** @param {{run: Run}} props */
function Pictures({ run }) {
  const task = run.task;
  const images = task.result_data ?? [];
  const gone = task.results_expire_at && task.results_expire_at <= now.value;
  return html`<ul class=${`pictures ${images.length > 1 ? "many" : ""}`}>
    ${images.map((/** @type {any} */ image, /** @type {number} */ at) => html`<li key=${image.result_id}>
      <${Picture} run=${run} image=${image} at=${at} gone=${gone} />
    </li>`)}
  </ul>
  ${task.results_expire_at && html`<p class="small soft" data-expiry><${Countdown} until=${task.results_expire_at} /></p>`}
  ${task.notice && html`<p class="small soft">${t("playground.embedded")}</p>`}`;
}

/** @param {{run: Run, image: any, at: number, gone: boolean}} props */
function Picture({ run, image, at, gone }) {
  const source = image.thumbnail_url ?? (gone ? "" : image.image_url);
  const about = t("playground.picture", { place: at + 1, prompt: run.task.request?.prompt.slice(0, 120) ?? "" });
  const mark = html`${source ? html`<img src=${local(source)} width=${image.width} height=${image.height} alt=${about} loading="lazy" decoding="async" />` : html`<span class="gone">${t("playground.gone")}</span>`}`;
  return html`<figure><${PictureActions} run=${run} image=${image} at=${at} gone=${gone}>${mark}<//></figure>`;
}

/** @param {{until: number}} props */
function Countdown({ until }) {
  const left = until - now.value;
  if (left <= 0) return html`<span>${t("playground.expired")}</span>`;
  const hours = Math.floor(left / 3600);
  const clock = [Math.floor((left % 3600) / 60), left % 60].map((one) => String(one).padStart(2, "0")).join(":");
  return html`<span title=${moment(until)}>${t("playground.expires", { left: `${hours}:${clock}` })}</span>`;
}

/** @param {(string | undefined)[]} words */
const distinct = (words) => [...new Set(words)].filter(Boolean).join(", ");

/** @param {{run: Run}} props */
function Facts({ run }) {
  const { request, result_data: images = [], usage, billing, attempts = [], ...task } = run.task;
  const first = images[0];
  const credits = (/** @type {any} */ value) => t("app.credits", { amount: rounded(String(value), 6) });
  const rows = [
    ["size", [request.size, request.resolution].filter(Boolean).join(" · "), distinct(images.map((/** @type {any} */ one) => `${one.width} × ${one.height}`)) || "–"],
    ["format", request.output_format.toUpperCase(), first ? `${first.mime_type} · ${images.map((/** @type {any} */ one) => `${number(Math.round(one.bytes / 1024))} KiB`).join(", ")}` : "–"],
    ["quality", request.quality ?? "–", distinct(images.map((/** @type {any} */ one) => one.quality)) || (request.quality ? t("playground.facts.not_told") : "–")],
    ["n", String(request.n), String(images.length)],
    ["tokens", "–", usage.tokens ? t("playground.facts.token_text", { text: number(usage.tokens.text_input), image: number(usage.tokens.image_input), output: number(usage.tokens.image_output) }) : "–"],
    ["price", run.quoted ? t("playground.facts.quoted", { expected: credits(run.quoted.expected.credits), maximum: credits(run.quoted.maximum.credits) }) : t("playground.facts.reserved", { amount: credits(billing.reserved_credits) }), credits(billing.charged_credits)],
  ];
  return html`<div class="scroll"><table class="facts-table">
    <thead><tr><td></td><th scope="col">${t("playground.facts.requested")}</th><th scope="col">${t("playground.facts.actual")}</th></tr></thead>
    <tbody>${rows.map(([name, asked, got]) => html`<tr key=${name}><th scope="row">${t(`playground.facts.${name}`)}</th><td>${asked}</td><td data-actual=${name}>${got}</td></tr>`)}</tbody>
  </table></div>
  <p class="small soft">${t("playground.facts.task")}: <code>${task.id}</code> · ${request.model} · ${moment(task.created)}${usage.price_version ? ` · ${t("playground.facts.version", { version: usage.price_version })}` : ""}</p>
  <${Attempts} id=${task.id} attempts=${attempts} />`;
}

/** Each try; whoever runs the gateway also sees where it went and what it cost. @param {{id: string, attempts: any[]}} props */
function Attempts({ id, attempts }) {
  const operator = account.value?.scopes.includes("admin");
  const [told, setTold] = useState(/** @type {any} */ (null));
  useEffect(() => {
    if (operator) call(`/v1/admin/tasks/${id}`).then((reply) => reply.ok && setTold(reply.value));
  }, [operator, id]);
  const where = new Map((told?.attempts ?? []).map((/** @type {any} */ one) => [one.attempt, one]));
  return html`<ol class="attempts small" data-attempts>${attempts.map((/** @type {any} */ one) => html`<li key=${one.attempt}>${[
    `${t("playground.facts.attempt", { number: one.attempt })}: ${one.outcome}`,
    one.duration === null ? "" : t("playground.seconds", { seconds: number(one.duration) }),
    t(one.charged ? "playground.facts.charged" : "playground.facts.free"),
  ].filter(Boolean).join(", ")}${where.has(one.attempt) && html` · <${Where} call=${where.get(one.attempt)} />`}</li>`)}</ol>
  ${told && html`<p class="small soft" data-margin>${t("playground.facts.margin", { cost: usd(told.cost), margin: usd(told.margin) })}</p>`}`;
}

/** @param {{call: any}} props */
const Where = ({ call: one }) => html`<code data-upstream>${one.route}</code> ${usd(one.cost)}${one.possible_duplicate ? ` · ${t("playground.facts.duplicate")}` : ""}`;
