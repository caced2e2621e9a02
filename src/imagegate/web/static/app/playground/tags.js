// The tags of a task: added, removed, and followed to all tasks that have one.
import { html } from "html";
import { useState } from "preact/hooks";
import { t } from "../i18n.js";
import { NO_FILTERS } from "../tasks/list.js";
import { list } from "./items.js";
import { addTag, knownTags, MAX_TAG_LENGTH, removeTag, tagsOf } from "./marks.js";

/** @typedef {import("./items.js").Item} Item */

/** @param {{item: Item}} props */
export function Tags({ item }) {
  const tags = tagsOf(item);
  return html`
    <div class="tags" role="group" aria-label=${t("playground.tags.title")}>
      ${tags.map((tag) => html`<${Tag} key=${tag} item=${item} tag=${tag} />`)}
      <${TagField} item=${item} />
    </div>
  `;
}

/** @param {{item: Item, tag: string}} props */
function Tag({ item, tag }) {
  const remove = t("playground.tags.remove", { tag });
  return html`
    <span class="tag" data-tag=${tag}>
      <button
        type="button"
        title=${t("playground.tags.show", { tag })}
        onClick=${() => list.setFilters({ ...NO_FILTERS, tag })}
      >#${tag}</button>
      <button type="button" aria-label=${remove} title=${remove} onClick=${() => removeTag(item, tag)}>✕</button>
    </span>
  `;
}

/** Enter or a comma adds what was written. @param {{item: Item}} props */
function TagField({ item }) {
  const [text, setText] = useState("");
  const add = () => {
    addTag(item, text);
    setText("");
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if ((event.key !== "Enter" && event.key !== ",") || event.isComposing) return;
    event.preventDefault();
    add();
  };
  const onInput = (/** @type {any} */ event) => setText(event.target.value);
  const option = (/** @type {string} */ tag) => html`<option key=${tag} value=${tag}></option>`;
  return html`
    <input
      class="input tag-field"
      list="pg-tags"
      maxlength=${MAX_TAG_LENGTH}
      aria-label=${t("playground.tags.add")}
      placeholder=${t("playground.tags.add")}
      value=${text}
      onInput=${onInput}
      onKeyDown=${onKeyDown}
      onBlur=${add}
      data-tag-field
    />
    <datalist id="pg-tags">${knownTags().map(option)}</datalist>
  `;
}
