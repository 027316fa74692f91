/** Lone surrogates have no UTF-8, so neither a URL nor Postgres takes them. */
export const wellFormed = (text: string): string => text.replaceAll(/\p{Surrogate}/gu, '\uFFFD');

/** Postgres stores U+0000 no more than lone surrogates. */
export const storableText = (text: string): string => wellFormed(text).replaceAll('\0', '\uFFFD');

export const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ').trim();

/** The beginning of a text, on one line. Redact before cutting: a secret cut in two is not recognised any more. */
export function excerptOf(text: string, length: number): string {
  const line = storableText(oneLine(text));
  return line.length <= length ? line : `${wellFormed(line.slice(0, length))}...`;
}

/** The longest piece of a peer's answer that an error message quotes. */
export const EXCERPT_LENGTH = 300;

/** A key as a header can carry it: node ids may hold any character. Ordinary keys stay as they are. */
export const headerSafe = (key: string): string => encodeURI(wellFormed(key));
