// The playground: composer on the left, runs and history on the right.
import { effect } from "@preact/signals";
import { html } from "html";
import { render } from "preact";
import { account } from "../store.js";
import { Runs } from "./cards.js";
import { CodeDialog } from "./code_panel.js";
import { CompareDialog } from "./compare.js";
import { Composer, run } from "./composer.js";
import { loadModels } from "./form.js";
import { History, watchHistory } from "./history.js";
import { Lightbox } from "./lightbox.js";
import { MaskEditor } from "./mask_editor.js";
import { watchPrice } from "./price.js";
import { References } from "./reference_list.js";
import { resumeRuns, runs } from "./runs.js";
import { SelectionBar } from "./selection.js";
import { ShortcutsDialog, watchKeys } from "./shortcuts.js";

const Playground = () => html`
  <div class="playground">
    <${Composer}><${References} /><//>
    <div class="stage"><${Runs} /><${History} /></div>
    <${SelectionBar} /><${Lightbox} /><${CompareDialog} /><${MaskEditor} /><${CodeDialog} /><${ShortcutsDialog} />
  </div>
`;

/** Another account sees none of the runs of the one before. */
function watchAccount() {
  let lastKey = "";
  effect(() => {
    const key = account.value?.key_shown ?? "";
    if (lastKey && lastKey !== key) runs.value = [];
    lastKey = key;
    if (!account.value) return;
    loadModels();
    resumeRuns();
  });
}

const container = document.getElementById("playground");
if (container) {
  container.textContent = "";
  render(html`<${Playground} />`, container);
  watchPrice();
  watchHistory();
  watchKeys(run);
  watchAccount();
}
