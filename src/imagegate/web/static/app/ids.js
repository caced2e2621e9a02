// Keys for the Idempotency-Key header and for lists.

/** 128 random bits; `crypto.randomUUID` is missing where the page has no TLS. */
export function randomId() {
  const bytes = [...crypto.getRandomValues(new Uint8Array(16))];
  return `page-${bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
