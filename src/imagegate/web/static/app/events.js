// Server-sent events, read by `fetch`: the browser's own reader of them sends no token.

/**
 * @param {ReadableStream<Uint8Array>} body
 * @param {{lastId: string, reconnectMs: number}} stream is kept up to date
 * @returns {AsyncGenerator<any, void, void>} the data of each event
 */
export async function* readEvents(body, stream) {
  for await (const block of readBlocks(body)) {
    const { id, data, retry } = parseBlock(block);
    stream.reconnectMs = retry ?? stream.reconnectMs;
    if (data === undefined) continue;
    stream.lastId = id || stream.lastId;
    yield JSON.parse(data);
  }
}

/** @param {ReadableStream<Uint8Array>} body @returns {AsyncGenerator<string, void, void>} */
async function* readBlocks(body) {
  const reader = body.pipeThrough(/** @type {any} */ (new TextDecoderStream())).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop() ?? "";
      yield* blocks;
    }
  } catch {
    // a cut connection is resumed by the caller
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** @param {string} block @returns {{id: string, data?: string, retry?: number}} */
function parseBlock(block) {
  /** @type {Record<string, string>} */
  const fields = {};
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 1).trimStart();
  }
  const { id = "", data, retry } = fields;
  return { id, data, retry: retry ? Number(retry) : undefined };
}
