import { randomBytes } from 'node:crypto';
import { insertSecret, readSecrets, type SecretStore } from '../../db/secrets.js';
import { mapSteps, stepsOf, type ChainDocument, type ChainStep } from '../../workflows/definition/chain.js';

const REFERENCE = /^\{\{\s*secret:([A-Za-z_][A-Za-z0-9_]*)\s*\}\}$/;

/**
 * Moves secrets written into a document to the vault and leaves `{{secret:NAME}}` in their place: a document can then
 * be shown, copied and versioned without giving them away. A value that `previous` kept already keeps its name.
 */
export async function vaultSecrets(
  store: SecretStore,
  workspaceId: string,
  change: { readonly slug: string; readonly document: ChainDocument; readonly previous?: ChainDocument },
): Promise<ChainDocument> {
  const { slug, document, previous } = change;
  const secretOf = (step: ChainStep): string | undefined => (hasSecret(step) ? step.config.secret : undefined);
  const names = await vaultLiterals(store, workspaceId, {
    prefix: `CHAIN_${slug}`,
    texts: stepsOf(document).map(({ step }) => secretOf(step)),
    previous: previous === undefined ? [] : stepsOf(previous).map(({ step }) => secretOf(step)),
  });
  return mapSteps(document, (step) => {
    const reference = hasSecret(step) ? names.get(step.config.secret) : undefined;
    return reference === undefined || !hasSecret(step)
      ? step
      : ({ ...step, config: { ...step.config, secret: reference } } as ChainStep); // -- reason: only a text has changed
  });
}

/** Puts texts that are no references yet into the vault; answers each with the reference that takes its place. */
export async function vaultLiterals(
  store: SecretStore,
  workspaceId: string,
  of: {
    readonly prefix: string;
    readonly texts: readonly (string | undefined)[];
    readonly previous: readonly (string | undefined)[];
  },
): Promise<ReadonlyMap<string, string>> {
  const before = of.previous.flatMap((text) => REFERENCE.exec(text ?? '')?.[1] ?? []);
  const kept = new Map([...(await readSecrets(store, workspaceId, before))].map(([name, value]) => [value, name]));
  const literals = of.texts.filter((text) => text !== undefined && text !== '' && !REFERENCE.test(text));
  const references = new Map<string, string>();
  // -- reason: the filter above leaves texts only
  for (const value of new Set(literals as readonly string[])) {
    const name = kept.get(value) ?? newName(of.prefix);
    if (!kept.has(value)) await insertSecret(store, { workspaceId, name, value });
    references.set(value, `{{secret:${name}}}`);
  }
  return references;
}

const newName = (wanted: string): string => {
  const prefix = wanted
    .toUpperCase()
    .replaceAll(/[^A-Z0-9]/g, '_')
    .slice(0, 46);
  return `${prefix}_${randomBytes(4).toString('hex').toUpperCase()}`;
};

type WithSecret = Extract<ChainStep, { kind: 'webhook' | 'notify' | 'channel_send' }> & { config: { secret: string } };

const hasSecret = (step: ChainStep): step is WithSecret =>
  (step.kind === 'webhook' || step.kind === 'notify' || step.kind === 'channel_send') &&
  step.config.secret !== undefined;

/** The value of `{{secret:NAME}}`, or of a literal; null when the vault does not hold it. */
export async function openSecret(store: SecretStore, workspaceId: string, text: string): Promise<string | null> {
  const name = REFERENCE.exec(text)?.[1];
  if (name === undefined) return text;
  return (await readSecrets(store, workspaceId, [name])).get(name) ?? null;
}
