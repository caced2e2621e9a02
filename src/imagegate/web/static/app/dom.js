// Event handlers that are given what they need instead of the event.

/** The value of the field that was changed. @param {(value: string) => void} act */
export const withValue = (act) => (/** @type {any} */ event) => act(event.target.value);

/** The submitted form, which the browser does not send itself. @param {(form: HTMLFormElement) => any} act */
export const withForm = (act) => (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  return act(/** @type {HTMLFormElement} */ (event.target));
};

const RETRY_MS = 3000;
const MAX_RETRIES = 3;

/**
 * For `onError` of a thumbnail, which may not be drawn yet: shows `instead` at once, else asks again a few times.
 * @param {string} [instead]
 */
export const withThumbnailRetry = (instead) => (/** @type {Event} */ event) => {
  const image = /** @type {HTMLImageElement} */ (event.target);
  const failures = Number(image.dataset.failures ?? 0) + 1;
  image.dataset.failures = String(failures);
  if (instead) {
    if (failures === 1) image.src = instead;
  } else if (failures <= MAX_RETRIES) {
    setTimeout(() => image.setAttribute("src", image.src), RETRY_MS * failures);
  }
};
