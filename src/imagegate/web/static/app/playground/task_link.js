// Links to the playground that name a task: "#task=<id>" opens it, "#edit=<id>" puts what it asked for into the form.
import { effect } from "@preact/signals";
import { account } from "../store.js";
import { fillForm, focusPrompt } from "./form.js";
import { opened } from "./items.js";
import { openTask, runs } from "./runs.js";

/** Read before the form writes its own address. */
const link = new URLSearchParams(location.hash.slice(1));
const [edit, id] = link.has("edit") ? [true, link.get("edit")] : [false, link.get("task")];

/** Follow the link that led here, once somebody is signed in. */
export function followTaskLink() {
  if (!id) return;
  history.replaceState(history.state, "", location.pathname + location.search);
  const stop = effect(() => {
    if (account.value) queueMicrotask(() => stop());
    if (account.value) openLinked(id);
  });
}

/** @param {string} id */
async function openLinked(id) {
  await openTask(id);
  const run = runs.value.find((one) => one.id === id);
  if (!run) return;
  const request = run.task?.request;
  if (!edit || !request) {
    opened.value = run.key;
    return;
  }
  await fillForm(request);
  focusPrompt();
}
