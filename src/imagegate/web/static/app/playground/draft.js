// The form outlives a reload, another language, the page of another model, signing in and a crash: it is kept in this
// browser for each account, and its settings in the address.
import { effect, signal, untracked } from "@preact/signals";
import { onErased } from "../database.js";
import { account } from "../store.js";
import { applyAddress, formAddress, readAddress, writeAddress } from "./address.js";
import { dropDraft, loadDraft, loadFiles, saveDraft } from "./draft_store.js";
import {
  EMPTY_FIELDS,
  fields,
  fitFieldsToModel,
  formState,
  loadModels,
  mask,
  offerUndo,
  overwritten,
  references,
  steps,
} from "./form.js";
import { isModelLoaded, modelName, pageModel } from "./model.js";
import { removeReference, resumeFiles, uploadWaiting, watchStored } from "./references.js";

/** @typedef {import("./draft_store.js").Draft} Draft */

const ADDRESS_MS = 300;
const VISITOR = "visitor";

/** Whose form it is; empty until it is known. */
const owner = signal("");
let lastStep = "";
let saving = false;
let unsaved = false;

/** @param {import("../api.js").Account | null} who */
const ownerOf = (who) => (who ? `${who.name} ${who.key_shown}` : VISITOR);

const isWorthKeeping = () => fields.peek().prompt.trim() !== "" || references.peek().length > 0;

/** @returns {() => void} the end of it */
export function watchDraft() {
  const settings = readAddress();
  if (settings) applyAddress(settings);
  const ends = [
    effect(() => {
      const who = account.value;
      if (who !== undefined) untracked(() => followAccount(who));
    }),
    effect(keepOnChange),
    watchStored(),
    effect(() => {
      if (steps.value) untracked(markStep);
    }),
  ];
  onErased(forgetForm);
  addEventListener("popstate", onPopState);
  return () => {
    for (const end of ends) end();
    removeEventListener("popstate", onPopState);
  };
}

/** Each account has its own form; a session that merely ended leaves it as it is. @param {any} who */
async function followAccount(who) {
  const before = owner.peek();
  const next = ownerOf(who);
  if (before !== next && !(before && !who)) {
    owner.value = "";
    if (!before) await openForm(next);
    else if (before === VISITOR) await takeVisitorsForm(next);
    else await changeForm(next);
    owner.value = next;
  }
  await loadModels();
  uploadWaiting();
}

/** What the address says stands in the form; the draft of this tab may say more. @param {string} next */
async function openForm(next) {
  const visitors = next === VISITOR ? null : await loadDraft(VISITOR, true);
  if (visitors) dropDraft(VISITOR);
  const named = readAddress() !== null;
  const draft = visitors ?? (await loadDraft(next, named || next === VISITOR));
  if (!draft) return;
  if (!named || draft.address === location.hash.slice(1)) await restoreDraft(draft);
  else await restoreReferences(draft);
}

/** @param {string} next */
async function takeVisitorsForm(next) {
  dropDraft(VISITOR);
  if (isWorthKeeping()) return;
  const draft = await loadDraft(next);
  if (draft) await restoreDraft(draft);
}

/** @param {string} next */
async function changeForm(next) {
  clearForm();
  const draft = await loadDraft(next);
  if (draft) await restoreDraft(draft);
}

/** @param {Draft} draft */
async function restoreDraft(draft) {
  const typed = fields.value.prompt.trim() ? fields.value.prompt : draft.fields.prompt;
  // Whoever opens the page of another model means that one.
  if (draft.page === pageModel) modelName.value = draft.model;
  fields.value = { ...EMPTY_FIELDS, ...draft.fields, prompt: typed };
  fitFieldsToModel();
  await restoreReferences(draft);
}

/** @param {Draft} draft */
async function restoreReferences(draft) {
  const image = draft.mask?.image;
  mask.value = draft.mask && { ...draft.mask, preview: image ? URL.createObjectURL(image) : "" };
  const files = await loadFiles();
  references.value = [...draft.references, ...references.value];
  resumeFiles(files);
}

function clearForm() {
  for (const { key } of references.value) removeReference(key);
  fields.value = { ...EMPTY_FIELDS };
  mask.value = null;
  overwritten.value = null;
  fitFieldsToModel();
}

/** After sign-out, in this tab or another. */
function forgetForm() {
  owner.value = VISITOR;
  clearForm();
  if (readAddress()) writeAddress("");
}

/** The draft at once, the address when there is a pause: browsers limit how often it may change. */
function keepOnChange() {
  formState();
  if (!owner.value) return undefined;
  saveNow();
  const timer = setTimeout(keepAddress, ADDRESS_MS);
  return () => clearTimeout(timer);
}

function keepAddress() {
  if (!isModelLoaded.peek()) return;
  const address = formAddress();
  // A place on the page keeps its name until there is something to say.
  if (address === location.hash.slice(1) || !(address || readAddress())) return;
  writeAddress(address);
  saveNow();
}

/** One after the other; what changes meanwhile is saved next. */
async function saveNow() {
  unsaved = true;
  if (saving) return;
  saving = true;
  while (unsaved) {
    unsaved = false;
    await save(owner.peek());
  }
  saving = false;
}

/** The draft belongs to the address as it stands: the browser reloads that one. @param {string} name */
async function save(name) {
  const address = location.hash.slice(1);
  if (isWorthKeeping()) await saveDraft({ ...untracked(formState), owner: name, page: pageModel, address });
  else await dropDraft(name);
}

/** What is in the form now stays behind a step; a repeated run is none. */
function markStep() {
  const address = formAddress();
  if (address === lastStep) return;
  lastStep = address;
  writeAddress(address);
  writeAddress(address, true);
}

async function onPopState(/** @type {PopStateEvent} */ event) {
  const settings = readAddress() ?? (location.hash === "" && event.state?.form ? {} : null);
  if (!settings) return;
  const before = formState();
  await applyAddress(settings);
  offerUndo(before);
}
