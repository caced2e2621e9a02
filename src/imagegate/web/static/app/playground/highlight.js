// Which pieces of a program are texts, numbers, comments, keys and words of its language, to colour them.

/** @typedef {"shell" | "python" | "javascript" | "go"} Language */
/** @typedef {{kind: string, text: string}} Piece   `kind` is "" for what has no colour */

const TEXT = /"(?:[^"\\\n]|\\.)*"/;
const NUMBER = /\b\d+(?:\.\d+)?\b/;

/** The words of each language that these programs use. @type {Record<Language, string>} */
const WORDS = {
  shell: "while|do|done",
  python: "as|def|except|for|if|import|in|is|None|not|raise|return|try|else|while|with",
  javascript: "async|await|const|for|from|function|if|import|let|new|of|return|throw|while",
  go: "const|defer|for|func|if|import|nil|package|range|return|struct|type|string|error",
};

/**
 * Comments, texts beside TEXT, and names beside the keys of JSON.
 * @type {Record<Language, {comment?: RegExp, text?: RegExp, name?: RegExp}>}
 */
const FORMS = {
  shell: { text: /'[^'\n]*'/, name: /\$\w+|(?<=\s)--?[a-zA-Z][\w-]*/ },
  python: { comment: /#.*/, text: /f"(?:[^"\\\n]|\\.)*"/ },
  javascript: { comment: /\/\/.*/, text: /`(?:[^`\\]|\\.)*`/, name: /\b\w+(?=:)/ },
  go: { comment: /\/\/.*/ },
};

const NEVER = /(?!)/;

/** @param {Language} language */
function pattern(language) {
  const { comment = NEVER, text = NEVER, name = NEVER } = FORMS[language];
  const kinds = {
    comment,
    // A text before a colon and a space is a key of JSON.
    name: new RegExp(`${TEXT.source}(?=: )|${name.source}`),
    text: new RegExp(`${TEXT.source}|${text.source}`),
    number: NUMBER,
    word: new RegExp(`\\b(?:${WORDS[language]})\\b`),
  };
  const groups = Object.entries(kinds).map(([kind, { source }]) => `(?<${kind}>${source})`);
  return new RegExp(groups.join("|"), "g");
}

/** @param {string} program @param {Language} language @returns {Piece[]} which make the program again */
export function highlight(program, language) {
  /** @type {Piece[]} */
  const pieces = [];
  let end = 0;
  for (const found of program.matchAll(pattern(language))) {
    if (found.index > end) pieces.push({ kind: "", text: program.slice(end, found.index) });
    const [kind] = Object.entries(found.groups ?? {}).find(([, text]) => text !== undefined) ?? [""];
    pieces.push({ kind, text: found[0] });
    end = found.index + found[0].length;
  }
  pieces.push({ kind: "", text: program.slice(end) });
  return pieces;
}
