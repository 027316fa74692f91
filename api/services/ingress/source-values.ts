import type { SourceValues } from '../../../db/ingress-sources.js';
import type { Json } from '../../../workflows/definition/values.js';
import type { Database } from '../../../db/client.js';
import { ApiError, invalid, type ErrorDetail } from '../../http/errors.js';
import { sentenceOf } from '../../http/sentences.js';
import { findDefinition } from '../run-target.js';
import { isCredential } from './kept.js';
import { mappingProblems } from './mapping.js';
import { schemes, type Provider } from './schemes/index.js';

/** Of a definition, or of an event: either by what it is called. */
export type TargetInput =
  | { readonly definition: string }
  | { readonly event: { readonly name: string; readonly key?: string | null | undefined } };

export interface SourceInput {
  readonly name: string;
  readonly slug: string;
  readonly verification: Readonly<Record<string, Json>>;
  readonly target: TargetInput;
  readonly input: Json;
  readonly keep_headers: readonly string[];
  readonly tolerance_seconds: number;
  readonly is_active: boolean;
}

export interface Checking {
  readonly db: Database;
  readonly workspaceId: string;
  readonly provider: Provider;
  readonly publicUrl: string | undefined;
}

/** The values as they are kept; a 422 that names every field at fault. */
export async function checkedValues(of: Checking, given: SourceInput): Promise<SourceValues> {
  const { settings, problems } = readSettings(of, given.verification);
  const target = await targetOf(of, given.target);
  const key = 'event' in given.target ? (given.target.event.key ?? null) : null;
  const all = [
    ...problems,
    ...mappingProblems(given.input, key),
    ...headerProblems(given.keep_headers, settings === null ? '' : schemes[of.provider].carrier(settings)),
  ];
  if (all.length > 0) throw invalid(all);
  // -- reason: what a scheme reads are its own settings, which are plain data
  return { ...given, verification: settings as Json, target };
}

function readSettings({ provider, publicUrl }: Checking, given: Readonly<Record<string, Json>>) {
  const result = schemes[provider].settings.safeParse(given, { error: sentenceOf });
  if (!result.success) {
    const problems = result.error.issues.map(({ path, message }) => ({
      field: ['verification', ...path].map(String).join('.'),
      message,
    }));
    return { settings: null, problems };
  }
  const isUnknown = provider === 'twilio' && publicUrl === undefined && given['url'] === undefined;
  const message = 'must be the address Twilio calls, since it signs it and KEELSON_PUBLIC_URL is not set';
  return { settings: result.data, problems: isUnknown ? [{ field: 'verification.url', message }] : [] };
}

async function targetOf({ db, workspaceId }: Checking, target: TargetInput): Promise<SourceValues['target']> {
  if ('event' in target) return { event: { name: target.event.name, key: target.event.key ?? null } };
  try {
    return { definition: (await findDefinition(db, workspaceId, target.definition)).id };
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
    throw invalid([{ field: 'target.definition', message: `names no definition of this workspace` }]);
  }
}

const headerProblems = (names: readonly string[], carrier: string): readonly ErrorDetail[] =>
  names.flatMap((name, index) =>
    isCredential(name) || name === carrier.toLowerCase()
      ? [{ field: `keep_headers.${index}`, message: 'carries a credential or a signature, which are never kept' }]
      : [],
  );

/** The secret to keep: the given one if the scheme can use it, or a new one. */
export function secretFor(
  provider: Provider,
  given: string | undefined,
): { readonly secret: string; readonly isNew: boolean } {
  const { newSecret, secretProblem } = schemes[provider];
  if (given === undefined) {
    if (newSecret !== null) return { secret: newSecret(), isNew: true };
    throw invalid([{ field: 'secret', message: `is required: the provider "${provider}" is who makes it` }]);
  }
  const problem = secretProblem?.(given) ?? null;
  if (problem !== null) throw invalid([{ field: 'secret', message: problem }]);
  return { secret: given, isNew: false };
}
