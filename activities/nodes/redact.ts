import type { Json } from '../../workflows/definition/values.js';
import { wellFormed } from './text.js';

/** Takes secret values out of what is stored, shown or logged; each occurrence becomes `[secret:NAME]`. */
export interface Redactor {
  readonly redactText: (text: string) => string;
  readonly redactJson: (json: Json) => Json;
}

/** Shorter values are too common in ordinary text to be taken out. */
const SHORTEST = 4;

const unpadded = (base64: string): string => base64.replace(/=+$/, '');

/** The base64 text inside a longer encoding depends on where the value begins: the parts that do not, for each place. */
function base64Forms(value: string): readonly string[] {
  const bytes = Buffer.from(value);
  return [0, 1, 2].map((shift) => {
    const encoded = unpadded(Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64'));
    const wholeUntil = Math.floor(((bytes.length + shift) * 8) / 6);
    return encoded.slice(Math.ceil((shift * 8) / 6), wholeUntil);
  });
}

const toUrlAlphabet = (base64: string): string => base64.replaceAll('+', '-').replaceAll('/', '_');
const lowerEscapes = (text: string): string => text.replace(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase());

/** The spellings a peer may echo a value in. */
function formsOf(value: string): readonly string[] {
  const valid = wellFormed(value);
  const url = encodeURIComponent(valid);
  const form = new URLSearchParams([['', valid]]).toString().slice(1);
  const base64 = base64Forms(value).filter((part) => part.length > SHORTEST);
  const hex = Buffer.from(value).toString('hex');
  const json = JSON.stringify(value).slice(1, -1);
  const whole = [value, json, url, lowerEscapes(url), form, hex, hex.toUpperCase()];
  return [...whole, ...base64, ...base64.map(toUrlAlphabet)];
}

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');

function replaceAll(names: ReadonlyMap<string, string>): (text: string) => string {
  if (names.size === 0) return (text) => text;
  // longest first, so that a value is not left behind in part because a shorter one lies inside it
  const forms = [...names.keys()].sort((a, b) => b.length - a.length).map(escaped);
  const pattern = new RegExp(forms.join('|'), 'g');
  return (text) => text.replace(pattern, (found) => `[secret:${names.get(found) ?? ''}]`);
}

/** Entries are name and value, as `RecordedSecrets.used` holds them. Also finds base64, hex, URL and JSON spellings. */
export function createRedactor(secrets: Iterable<readonly [name: string, value: string]>): Redactor {
  const names = new Map<string, string>();
  for (const [name, value] of secrets)
    if (value.length >= SHORTEST) for (const form of formsOf(value)) names.set(form, name);
  const redactText = replaceAll(names);

  const redactJson = (json: Json): Json => {
    if (typeof json === 'string') return redactText(json);
    if (typeof json === 'number') {
      const text = redactText(String(json));
      return text === String(json) ? json : text;
    }
    if (json === null || typeof json === 'boolean') return json;
    if (Array.isArray(json)) return json.map(redactJson);
    return Object.fromEntries(Object.entries(json).map(([key, value]) => [redactText(key), redactJson(value)]));
  };
  return { redactText, redactJson: names.size === 0 ? (json) => json : redactJson };
}

export interface RecordedSecrets {
  readonly secret: (name: string) => Promise<string>;
  /** Name to value of every secret handed out so far. */
  readonly used: ReadonlyMap<string, string>;
}

/** Remembers which secrets a node used, so that they can be taken out of its output and errors. */
export function recordSecrets(secret: (name: string) => Promise<string>): RecordedSecrets {
  const used = new Map<string, string>();
  return {
    used,
    secret: async (name) => {
      const value = await secret(name);
      used.set(name, value);
      return value;
    },
  };
}
