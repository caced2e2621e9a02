// The playground: the form on the left, the stage on the right.
import { effect } from "@preact/signals";
import { html } from "html";
import { render } from "preact";
import { account } from "../store.js";
import { CompareDialog } from "./compare.js";
import { Composer, run } from "./composer.js";
import { loadModels } from "./form.js";
import { watchTally } from "./gallery.js";
import { watchList } from "./items.js";
import { Lightbox } from "./lightbox.js";
import { MaskEditor } from "./mask_editor.js";
import { watchPrice } from "./price.js";
import { References } from "./reference_list.js";
import { resumeRuns, runs } from "./runs.js";
import { SelectionBar } from "./selection.js";
import { ShortcutsDialog, watchKeys } from "./shortcuts.js";
import { Stage } from "./stage.js";

const Playground = () => html`
  <div class="playground">
    <${Composer}><${References} /><//>
    <${Stage} />
    <${SelectionBar} /><${Lightbox} /><${CompareDialog} /><${MaskEditor} /><${ShortcutsDialog} />
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
  watchList();
  watchTally();
  watchKeys(run);
  watchAccount();
}
