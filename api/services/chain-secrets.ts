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
  const names = previous === undefined ? [] : stepsOf(previous).flatMap(({ step }) => referenceIn(step) ?? []);
  const kept = new Map([...(await readSecrets(store, workspaceId, names))].map(([name, value]) => [value, name]));
  const added: { readonly name: string; readonly value: string }[] = [];
  const cleaned = mapSteps(document, (step) => {
    if (!hasLiteralSecret(step)) return step;
    const { secret: value } = step.config;
    const name = kept.get(value) ?? newName(slug);
    if (!kept.has(value)) added.push({ name, value });
    kept.set(value, name);
    return { ...step, config: { ...step.config, secret: `{{secret:${name}}}` } };
  });
  for (const { name, value } of added) await insertSecret(store, { workspaceId, name, value });
  return cleaned;
}

const newName = (slug: string): string => {
  const prefix = slug
    .toUpperCase()
    .replaceAll(/[^A-Z0-9]/g, '_')
    .slice(0, 40);
  return `CHAIN_${prefix}_${randomBytes(4).toString('hex').toUpperCase()}`;
};

function referenceIn(step: ChainStep): string | undefined {
  const text = step.kind === 'webhook' || step.kind === 'notify' ? step.config.secret : undefined;
  return text === undefined ? undefined : REFERENCE.exec(text)?.[1];
}

type WithSecret = Extract<ChainStep, { kind: 'webhook' | 'notify' }> & { config: { secret: string } };

const hasLiteralSecret = (step: ChainStep): step is WithSecret =>
  (step.kind === 'webhook' || step.kind === 'notify') &&
  step.config.secret !== undefined &&
  step.config.secret !== '' &&
  !REFERENCE.test(step.config.secret);

/** The value of `{{secret:NAME}}`, or of a literal; null when the vault does not hold it. */
export async function openSecret(store: SecretStore, workspaceId: string, text: string): Promise<string | null> {
  const name = REFERENCE.exec(text)?.[1];
  if (name === undefined) return text;
  return (await readSecrets(store, workspaceId, [name])).get(name) ?? null;
}
