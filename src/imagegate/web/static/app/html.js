// htm bound to preact: html`<p class=…>…</p>`
import htm from "htm";
import { h } from "preact";

export const html = htm.bind(h);
