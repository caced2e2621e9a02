// Links to the playground that name a task: "#task=<id>" opens it, "#edit=<id>" puts what it asked for into the form.
import { account } from "../store.js";
import { fillForm, focusPrompt } from "./form.js";
import { openTaskById } from "./items.js";
import { openTask, runs } from "./runs.js";

/** Read before the form writes its own address. */
const link = new URLSearchParams(location.hash.slice(1));

/** Follow the link that led here, as soon as somebody is signed in. */
export function followTaskLink() {
  const [edited, opened] = [link.get("edit"), link.get("task")];
  if (!edited && !opened) return;
  history.replaceState(history.state, "", location.pathname + location.search);
  const stop = account.subscribe((found) => {
    if (!found) return;
    queueMicrotask(() => stop());
    if (edited) editTask(edited);
    else openTaskById(opened ?? "");
  });
}

/** @param {string} id */
async function editTask(id) {
  await openTask(id);
  const request = runs.value.find((run) => run.id === id)?.task?.request;
  if (!request) return openTaskById(id);
  await fillForm(request);
  focusPrompt();
}
