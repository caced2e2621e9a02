// What can be done with a finished run.
import { html } from "html";
import { t } from "../i18n.js";
import { showToast } from "../store.js";
import { fillForm, focusPrompt } from "./form.js";
import { closeDrawer } from "./items.js";
import { isWide } from "./layout.js";
import { addStored } from "./references.js";
import { SpendButton } from "./spend_button.js";
import { codeBody, showView } from "./views.js";

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
  const { request, status, metadata } = run.task;
  if (!request) return null;
  const body = requestBody(request);
  const showCode = () => {
    codeBody.value = body;
  };
  const isDraft = status === "completed" && request.quality === "low";
  return html`
    <p class="row actions">
      <${SpendButton} body=${body} text=${t("playground.run_again")} attrs=${{ "data-again": true }} />
      <button class="button tight" type="button" data-edit onClick=${() => editRequest(request)}>
        ${t("playground.edit")}
      </button>
      <button class="button tight bare" type="button" data-code onClick=${showCode}>
        ${t("playground.code.open")}
      </button>
      ${metadata?.matrix && html`<${MatrixButton} id=${metadata.matrix} />`}
      ${isDraft && html`<${FinalButton} body=${{ ...body, quality: "high" }} />`}
    </p>
  `;
}

/** To the tasks that were begun together with this one. @param {{id: string}} props */
function MatrixButton({ id }) {
  const open = async () => {
    closeDrawer();
    const { openMatrix } = await import("./matrix_runs.js");
    if (await openMatrix(id)) showView("matrix");
  };
  return html`
    <button class="button tight bare" type="button" data-open-matrix onClick=${open}>
      ${t("playground.matrix.open")}
    </button>
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
  focusPrompt();
}

/** Where the details cover the form, they make room for it. @param {any} result @param {string} name */
export function addAsReference(result, name) {
  if (!addStored(result.image_url, name, result.thumbnail_url ?? result.image_url)) return;
  showToast(t("playground.references.added"));
  if (isWide.value) return;
  closeDrawer();
  // After the sheet has gone and given the focus back to its tile.
  requestAnimationFrame(() => document.querySelector(".references")?.scrollIntoView({ block: "center" }));
}
