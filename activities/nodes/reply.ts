import type { Json } from '../../workflows/definition/values.js';
import type { EgressReply } from '../egress/egress.js';
import { storableText } from './text.js';

/** Deeper JSON is kept as text, so that nothing downstream has to recurse further. */
const DEEPEST = 256;

function storable(json: Json, depth = 0): Json {
  if (depth > DEEPEST) throw new RangeError('too deep');
  if (typeof json === 'string') return storableText(json);
  if (json === null || typeof json !== 'object') return json;
  if (Array.isArray(json)) return json.map((item) => storable(item, depth + 1));
  return Object.fromEntries(
    Object.entries(json).map(([key, value]) => [storableText(key), storable(value, depth + 1)]),
  );
}

const mayBeJson = ({ headers, truncated }: EgressReply): boolean =>
  !truncated && /[/+]json\b|^$/i.test(headers['content-type'] ?? '');

/** What a peer answered: JSON when it says so or says nothing and it is, otherwise its text. */
export function bodyOf(reply: EgressReply): Json {
  if (!mayBeJson(reply)) return storableText(reply.text);
  try {
    return storable(JSON.parse(reply.text) as Json /* -- JSON.parse answers nothing but JSON */);
  } catch {
    return storableText(reply.text);
  }
}
