import { readCron } from '../../workflows/definition/cron.js';
import { INLINE_LIMIT_BYTES, type Json } from '../../workflows/definition/values.js';
import { canonicalZone } from '../../workflows/definition/zones.js';
import { ApiError, badRequest } from '../http/errors.js';

/** What a caller may say of a schedule; two spellings of the expression, three of a chain. */
export interface ScheduleInput {
  readonly name?: string | undefined;
  readonly cron_expr?: string | undefined;
  readonly expression?: string | undefined;
  readonly timezone?: string | undefined;
  readonly prompt?: string | { readonly chain: string; readonly input?: Json | undefined } | undefined;
  readonly chain?: string | undefined;
  readonly input?: Json | undefined;
  readonly enabled?: boolean | undefined;
  readonly overlap?: 'skip' | 'allow' | undefined;
}

export type Work =
  | { readonly kind: 'prompt'; readonly text: string }
  | { readonly kind: 'chain'; readonly slug: string; readonly input: Json; readonly field: string };

/** The expression as it is stored; undefined when the caller named none or an empty one. */
export function readExpression({ cron_expr: cron, expression }: ScheduleInput): string | undefined {
  const text = cron ?? expression;
  if (text === undefined || text.trim() === '') return undefined;
  const read = readCron(text);
  if ('problem' in read) {
    const field = cron === undefined ? 'expression' : 'cron_expr';
    throw badRequest(`invalid cron expression: ${read.problem}`, field);
  }
  return read.expression;
}

export function readTimezone({ timezone }: ScheduleInput): string | undefined {
  const zone = timezone?.trim();
  if (zone === undefined) return undefined;
  if (zone === '') return 'UTC';
  if (canonicalZone(zone) === null) {
    throw new ApiError(400, `invalid timezone: ${zone}`, {
      details: [{ field: 'timezone', message: `"${zone}" is no IANA time zone; write it as Europe/Berlin or UTC` }],
    });
  }
  return zone;
}

/** What the schedule is to run; undefined when the caller said nothing of it. */
export function readWork(input: ScheduleInput): Work | undefined {
  const { prompt, chain } = input;
  if (chain !== undefined) return chainWork(chain, input.input, 'chain');
  if (prompt === undefined) return undefined;
  if (typeof prompt !== 'string') return chainWork(prompt.chain, prompt.input, 'prompt.chain');
  const text = prompt.replaceAll('\r', '');
  const asChain = chainInText(text);
  if (asChain !== null) return chainWork(asChain.chain, asChain.input, 'prompt.chain');
  checkSize(text, 'prompt');
  return text.trim() === '' ? undefined : { kind: 'prompt', text };
}

/** A schedule without a name is called by what it runs. */
export function defaultName(work: Work): string {
  const name = work.kind === 'chain' ? work.slug : (work.text.trim().split('\n')[0] ?? '');
  return name.length > 60 ? `${name.slice(0, 59)}…` : name;
}

/** Runs of a schedule carry their input inline, so it stays below the size that would need storing. */
export function checkSize(value: Json, field: string): void {
  const bytes = Buffer.byteLength(JSON.stringify(value));
  if (bytes > INLINE_LIMIT_BYTES) {
    throw badRequest(`${field}: ${bytes} bytes are more than a schedule takes (${INLINE_LIMIT_BYTES})`, field);
  }
}

function chainWork(slug: string, input: Json | undefined, field: string): Work {
  if (slug.trim() === '') throw badRequest(`${field}: name the chain by its slug`, field);
  checkSize(input ?? null, 'input');
  return { kind: 'chain', slug: slug.trim(), input: input ?? null, field };
}

/** `{"chain":"slug","input":...}` and nothing else; any other text is a prompt. */
function chainInText(text: string): { readonly chain: string; readonly input: Json } | null {
  if (!text.trimStart().startsWith('{')) return null;
  const value = parseJson(text);
  if (value === null || typeof value !== 'object' || !('chain' in value) || typeof value.chain !== 'string')
    return null;
  const { chain, input = null, ...rest } = value;
  return Object.keys(rest).length === 0 && typeof chain === 'string' ? { chain, input } : null;
}

function parseJson(text: string): { readonly [key: string]: Json } | null {
  try {
    const value: unknown = JSON.parse(text);
    // -- reason: what JSON.parse gives is Json, and an object that starts with a brace is no array
    return value as { readonly [key: string]: Json };
  } catch {
    return null;
  }
}
