// What can be done with a finished run.
import { html } from "html";
import { localPath } from "../api.js";
import { t } from "../i18n.js";
import { randomId } from "../ids.js";
import { showToast } from "../store.js";
import { fillForm, focusPrompt, mask, maxReferences, references } from "./form.js";
import { SpendButton } from "./spend_button.js";
import { showCode } from "./views.js";

/** The body that made a task, without what is empty or does not apply. @param {any} request */
function requestBody(request) {
  const isMeant = (/** @type {[string, any]} */ [name, value]) => {
    if (name === "callback_url" || value === null || (Array.isArray(value) && !value.length)) return false;
    return name !== "output_compression" || request.output_format !== "png";
  };
  return Object.fromEntries(Object.entries(request).filter(isMeant));
}

/** @param {{run: import("./runs.js").Run}} props */
export function RunActions({ run }) {
  const { request, status } = run.task;
  if (!request) return null;
  const body = requestBody(request);
  const isDraft = status === "completed" && request.quality === "low";
  return html`
    <p class="row actions">
      <${SpendButton} body=${body} text=${t("playground.run_again")} attrs=${{ "data-again": true }} />
      <button class="button tight" type="button" data-edit onClick=${() => editRequest(request)}>
        ${t("playground.edit")}
      </button>
      <button class="button tight bare" type="button" data-code onClick=${() => showCode(body)}>
        ${t("playground.code.open")}
      </button>
      ${isDraft && html`<${FinalButton} body=${{ ...body, quality: "high" }} />`}
    </p>
  `;
}

/** Runs a draft once more in high. @param {{body: any}} props */
const FinalButton = ({ body }) => html`
  <${SpendButton}
    body=${body}
    text=${t("playground.final")}
    className="button main tight"
    attrs=${{ "data-final": true }}
  />
`;

/** @param {any} request */
async function editRequest(request) {
  await fillForm(request);
  const { image_urls: urls = [], mask_url: maskUrl } = request;
  references.value = urls.map((/** @type {string} */ url, /** @type {number} */ index) =>
    reference(url, `${index + 1}`),
  );
  const [first] = references.value;
  mask.value = maskUrl && first ? { url: maskUrl, preview: "", referenceKey: first.key, edits: [] } : null;
  focusPrompt();
}

/**
 * An image that the gateway has already.
 * @param {string} url @param {string} name @param {string} [preview] @returns {import("./form.js").Reference}
 */
function reference(url, name, preview = url) {
  return { key: randomId(), name, state: "ready", url, preview: localPath(preview), error: "" };
}

/** @param {any} result @param {string} name */
export function addAsReference(result, name) {
  if (references.value.length >= maxReferences.value) {
    return showToast(t("playground.references.full", { max: maxReferences.value }), "bad");
  }
  references.value = [...references.value, reference(result.image_url, name, result.thumbnail_url ?? result.image_url)];
  showToast(t("playground.references.added"));
}
