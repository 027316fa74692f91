import { isUtf8 } from 'node:buffer';
import type { Context } from 'koa';
import { ApiError, badRequest, unsupported } from './errors.js';
import { findUnsafe } from './safe-json.js';
import { refusal, type InvalidStatus } from './validate.js';
import type { Route } from './route.js';

export const defaultBodyLimit = 1024 * 1024;

const isJson = (type: string): boolean => type === 'application/json' || /^application\/[\w.-]+\+json$/.test(type);
const utf8Names = new Set(['', 'utf-8', 'utf8', 'us-ascii']);

/** What a row does with bodies, worked out once. */
export interface BodyPlan {
  readonly types: readonly string[];
  readonly invalidStatus: InvalidStatus;
  /** What stands for a missing body: `undefined` where the schema takes it, else `{}`, which names every missing field. */
  readonly whenEmpty: unknown;
}

export function planBody(row: Route): BodyPlan | undefined {
  if (row.body === undefined) return undefined;
  return {
    types: ['application/json', ...(row.accepts ?? [])],
    invalidStatus: row.invalidStatus ?? 422,
    whenEmpty: row.body.safeParse(undefined).success ? undefined : {},
  };
}

/** Refuses a content type before its bytes are read. */
export function checkContentType(ctx: Context, plan: BodyPlan): void {
  const { headers } = ctx.req;
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  if (!hasBody) return;
  const type = ctx.request.type.toLowerCase();
  const takes = plan.types.join(' or ');
  if (!isJson(type) && !plan.types.includes(type))
    throw unsupported(`Content-Type is ${type === '' ? 'missing' : `"${type.slice(0, 100)}"`}; send ${takes}.`);
  if (!utf8Names.has(ctx.request.charset.toLowerCase()))
    throw unsupported(`Charset "${ctx.request.charset.slice(0, 100)}" is not supported; send UTF-8.`);
  const encoding = ctx.get('content-encoding').toLowerCase();
  if (encoding !== '' && encoding !== 'identity')
    throw unsupported(`Content-Encoding "${encoding.slice(0, 100)}" is not supported; send the body as it is.`);
}

/** The body as a value: JSON parsed, text and forms as they came. */
export function parseBody(ctx: Context, plan: BodyPlan, raw: Buffer): unknown {
  const type = ctx.request.type.toLowerCase();
  if (raw.length === 0) return type === 'text/plain' ? '' : plan.whenEmpty;
  if (!isUtf8(raw)) throw badRequest('The body is not valid UTF-8.');
  const text = raw.toString('utf8');
  const value = decode(type, text);
  const unsafe = findUnsafe(value);
  if (unsafe !== undefined) throw refusal(plan.invalidStatus, [unsafe]);
  return value;
}

function decode(type: string, text: string): unknown {
  if (type === 'text/plain') return text;
  if (type === 'application/x-www-form-urlencoded') return decodeForm(text);
  try {
    return JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) throw badRequest(`The body is not valid JSON: ${error.message}`, 'body');
    throw new ApiError(400, 'The body cannot be read as JSON.');
  }
}

/** Repeated names become lists, as in a query string. */
function decodeForm(text: string): Record<string, string | string[]> {
  const form = new URLSearchParams(text);
  return Object.fromEntries(
    [...new Set(form.keys())].map((name) => {
      const values = form.getAll(name);
      return [name, values.length === 1 ? (values[0] ?? '') : values];
    }),
  );
}
