// Names of image files, and saving them.

/** @typedef {import("./images.js").Image} Image */

/** "<task>-1.png" @param {Image} image */
export function fileName({ run, result, index }) {
  const extension = result.mime_type.split("/")[1].replace("jpeg", "jpg");
  return `${run.id}-${index + 1}.${extension}`;
}

/** @param {string} url @param {string} name */
export function saveFile(url, name) {
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
}
