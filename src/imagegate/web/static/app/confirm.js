// A question that must be answered before something is lost or spent.
import { html } from "html";
import { render } from "preact";
import { Dialog } from "./dialog.js";
import { t } from "./i18n.js";

/**
 * @typedef {{title: string, text: string, confirm: string, cancel?: string, danger?: boolean}} Question
 *   `confirm` names the act, such as "Delete 3 images"; with `danger` the focus is on the other button
 */

/**
 * Whether the person agreed; a dialog that is closed means no.
 * @param {Question} question
 * @returns {Promise<boolean>}
 */
export function askConfirm(question) {
  const container = document.createElement("div");
  document.body.append(container);
  return new Promise((resolve) => {
    const answer = (/** @type {boolean} */ agreed) => {
      render(null, container);
      container.remove();
      resolve(agreed);
    };
    render(html`<${ConfirmDialog} ...${question} answer=${answer} />`, container);
  });
}

/** @param {Question & {answer: (agreed: boolean) => void}} props */
const ConfirmDialog = ({ title, text, confirm, cancel = t("app.cancel"), danger = false, answer }) => html`
  <${Dialog} title=${title} className="confirm" onClose=${() => answer(false)}>
    <p>${text}</p>
    <footer>
      <button type="button" class="button" autofocus=${danger} data-close>${cancel}</button>
      <button
        type="button"
        class=${`button ${danger ? "bad" : "main"}`}
        autofocus=${!danger}
        data-confirm
        onClick=${() => answer(true)}
      >
        ${confirm}
      </button>
    </footer>
  <//>
`;
