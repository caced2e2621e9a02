// The playground: the form on the left, the stage on the right.
import { effect } from "@preact/signals";
import { html } from "html";
import { render } from "preact";
import { lazy } from "../lazy.js";
import { account } from "../store.js";
import { CompareDialog } from "./compare.js";
import { Composer, run } from "./composer.js";
import { selected } from "./images.js";
import { closeDrawer, watchList } from "./items.js";
import { Lightbox } from "./lightbox.js";
import { MaskEditor } from "./mask_editor.js";
import { Announcement, watchEnds } from "./notify.js";
import { Pill } from "./pill.js";
import { watchPrice } from "./price.js";
import { References } from "./reference_list.js";
import { resumeRuns, runs, watchOtherTabs } from "./runs.js";
import { ShortcutsDialog, watchKeys } from "./shortcuts.js";
import { Stage } from "./stage.js";
import { watchTally } from "./tally.js";
import { followTaskLink } from "./task_link.js";
import { codeBody } from "./views.js";

const CodeDialog = lazy(async () => (await import("./code_panel.js")).CodeDialog);
const TaskCode = () => codeBody.value && html`<${CodeDialog} />`;

const Playground = () => html`
  <div class="playground">
    <${Composer}><${References} /><//>
    <${Stage} />
    <${Announcement} /><${Pill} />
    <${Lightbox} /><${CompareDialog} /><${MaskEditor} /><${TaskCode} /><${ShortcutsDialog} />
  </div>
`;

/** Another account sees none of the runs of the one before. */
function watchAccount() {
  let lastKey = "";
  effect(() => {
    const key = account.value?.key_shown ?? "";
    if (lastKey && lastKey !== key) {
      runs.value = [];
      selected.value = [];
      closeDrawer();
    }
    lastKey = key;
    if (!account.value) return;
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
  watchEnds();
  watchOtherTabs();
  watchKeys(run);
  watchAccount();
  followTaskLink();
}
