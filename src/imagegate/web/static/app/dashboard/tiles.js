// One figure each: what the views begin with.
import { html } from "html";

/**
 * @typedef {{title: string, figure: any, about?: any, href?: string, mood?: "good" | "bad" | ""}} TileProps
 * @param {TileProps} props
 */
export const Tile = ({ title, figure, about, href, mood = "" }) => html`
  <div class=${`card tile ${mood}`}>
    <p class="label">${href ? html`<a href=${href}>${title}</a>` : title}</p>
    <p class="figure">${figure}</p>
    <p class="small soft">${about}</p>
  </div>
`;

/** @param {{children: any}} props */
export const Tiles = ({ children }) => html`<div class="tiles">${children}</div>`;
