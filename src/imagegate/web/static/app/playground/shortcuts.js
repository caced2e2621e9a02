// Keys that work wherever the focus is, and the list of them.
import { signal } from "@preact/signals";
import { html } from "html";
import { Dialog } from "../dialog.js";
import { t } from "../i18n.js";
import { focusPrompt } from "./form.js";

export const shortcutsOpen = signal(false);

const IS_APPLE = /Mac|iPhone|iPad/.test(navigator.platform);
export const COMMAND = IS_APPLE ? "⌘" : "Ctrl";
const SHIFT = IS_APPLE ? "⇧" : "Shift";

/** By where they work: the caps of the keys, and what they do. */
const GROUPS = /** @type {[string, [string, string][]][]} */ ([
  [
    "everywhere",
    [
      [`${COMMAND} Enter`, "run"],
      ["/", "focus"],
      [`${COMMAND} V`, "paste"],
      ["Esc", "close"],
      ["?", "help"],
    ],
  ],
  [
    "gallery",
    [
      ["← → ↑ ↓", "tiles"],
      ["Enter", "details"],
    ],
  ],
  [
    "references",
    [
      ["← →", "move"],
      ["Delete", "remove"],
    ],
  ],
  [
    "images",
    [
      ["← →", "step"],
      ["+ −", "zoom"],
      ["0", "fit"],
      [`${SHIFT} ← → ↑ ↓`, "pan"],
    ],
  ],
  [
    "mask",
    [
      ["← → ↑ ↓", "brush"],
      ["Space", "paint"],
      ["[ ]", "width"],
      [`${COMMAND} Z`, "undo"],
      [`${COMMAND} ${SHIFT} Z`, "redo"],
    ],
  ],
]);
const TEXT_FIELDS = "textarea, select, input:not([type=checkbox], [type=radio], [type=range], [type=file])";

/** @param {EventTarget | null} target */
const isTyping = (target) => target instanceof HTMLElement && (target.isContentEditable || target.matches(TEXT_FIELDS));

/** @param {() => void} run */
export function watchKeys(run) {
  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]")) return;
    const act = actionOf(event, run);
    if (!act) return;
    event.preventDefault();
    act();
  });
}

const openShortcuts = () => {
  shortcutsOpen.value = true;
};

/** @param {KeyboardEvent} event @param {() => void} run @returns {(() => void) | undefined} */
function actionOf(event, run) {
  if (event.key === "Enter") return event.ctrlKey || event.metaKey ? run : undefined;
  if (isTyping(event.target)) return undefined;
  return { "/": focusPrompt, "?": openShortcuts }[event.key];
}

export function ShortcutsDialog() {
  if (!shortcutsOpen.value) return null;
  const close = () => {
    shortcutsOpen.value = false;
  };
  return html`
    <${Dialog} title=${t("playground.shortcuts.title")} className="shortcuts" closeButton onClose=${close}>
      ${GROUPS.map(([name, keys]) => html`<${Group} key=${name} name=${name} keys=${keys} />`)}
    <//>
  `;
}

/** @param {{name: string, keys: [string, string][]}} props */
const Group = ({ name, keys }) => html`
  <section>
    <h3>${t(`playground.shortcuts.${name}.title`)}</h3>
    <dl>
      ${keys.map(
        ([caps, act]) => html`
          <div key=${act}>
            <dt>${t(`playground.shortcuts.${name}.${act}`)}</dt>
            <dd>${caps.split(" ").map((cap) => html`<kbd>${cap}</kbd>`)}</dd>
          </div>
        `,
      )}
    </dl>
  </section>
`;
