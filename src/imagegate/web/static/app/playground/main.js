// The playground: the form on the left, the stage on the right.
import { effect } from "@preact/signals";
import { html } from "html";
import { render } from "preact";
import { lazy } from "../lazy.js";
import { account } from "../store.js";
import { Composer, run } from "./composer.js";
import { compared, enlarged, maskedReference, selected } from "./images.js";
import { closeDrawer, watchList } from "./items.js";
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

/**
 * A dialog whose module is loaded when it opens for the first time.
 * @param {() => any} isOpen
 * @param {() => Promise<any>} load
 */
function lazyDialog(isOpen, load) {
  const Content = lazy(load);
  return () => (isOpen() ? html`<${Content} />` : null);
}

const Lightbox = lazyDialog(
  () => enlarged.value,
  async () => (await import("./lightbox.js")).Lightbox,
);
const CompareDialog = lazyDialog(
  () => compared.value.length,
  async () => (await import("./compare.js")).CompareDialog,
);
const MaskEditor = lazyDialog(
  () => maskedReference.value,
  async () => (await import("./mask_editor.js")).MaskEditor,
);
const CodeDialog = lazyDialog(
  () => codeBody.value,
  async () => (await import("./code_panel.js")).CodeDialog,
);

const Playground = () => html`
  <div class="playground">
    <${Composer}><${References} /><//>
    <${Stage} />
    <${Announcement} /><${Pill} />
    <${Lightbox} /><${CompareDialog} /><${MaskEditor} /><${CodeDialog} /><${ShortcutsDialog} />
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
