/** A reference to a secret that would be taken for text, as the end of a sentence; or null. */
export function secretProblem(text: string): string | null {
  const written = text.match(/\{\{\s*secret\b[^}]*\}\}/gi) ?? [];
  const bad = written.find((each) => !/^\{\{\s*secret:[A-Z][A-Z0-9_]{0,63}\s*\}\}$/.test(each));
  return bad === undefined ? null : `write ${bad} as {{secret:NAME}}, NAME in capital letters, digits and _`;
}

/** Where no secret may stand, because a model or a person is told the text. */
export const strayProblem = (text: string): string | null =>
  /\{\{-?\s*secret\s*:/i.test(text)
    ? 'must hold no secret: {{secret:NAME}} is filled in only in the url, headers and body of a webhook or api_call'
    : null;
