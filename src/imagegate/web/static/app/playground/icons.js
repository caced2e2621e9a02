// The symbols of buttons, as wide as a letter.
import { html } from "html";

/** @param {any} content */
const icon = (content) => html`
  <svg
    viewBox="0 0 24 24"
    width="18"
    height="18"
    fill="none"
    stroke="currentColor"
    stroke-width="2"
    stroke-linecap="round"
    stroke-linejoin="round"
    aria-hidden="true"
  >${content}</svg>
`;

export const StarIcon = () =>
  icon(html`<path d="m12 3.5 2.6 5.4 5.9.8-4.3 4.1 1 5.9-5.2-2.8-5.2 2.8 1-5.9-4.3-4.1 5.9-.8z" />`);
export const CopyIcon = () => icon(html`<rect x="9" y="9" width="11" height="11" rx="2" /><path d="M5 15H4V4h11v1" />`);
export const TrashIcon = () => icon(html`<path d="M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5" />`);
export const DownloadIcon = () => icon(html`<path d="M12 4v11M7 11l5 5 5-5M5 20h14" />`);
export const ReferenceIcon = () =>
  icon(html`<rect x="3" y="5" width="13" height="14" rx="2" /><path d="m5 16 3-4 2.5 3 2-2 3.5 4M20 9v6M17 12h6" />`);
export const BellIcon = () => icon(html`<path d="M6 16V11a6 6 0 0 1 12 0v5l1.5 2h-15zM10 21h4" />`);
