import { randomBytes } from 'node:crypto';
import { insertSecret, readSecrets, type SecretStore } from '../../db/secrets.js';
import { mapSteps, type ChainDocument, type ChainStep } from '../../workflows/definition/chain.js';

const REFERENCE = /^\{\{\s*secret:([A-Za-z_][A-Za-z0-9_]*)\s*\}\}$/;

/**
 * Moves secrets written into a document to the vault and leaves `{{secret:NAME}}` in their place: a document can then
 * be shown, copied and versioned without giving them away.
 */
export async function vaultSecrets(
  store: SecretStore,
  workspaceId: string,
  { slug, document }: { readonly slug: string; readonly document: ChainDocument },
): Promise<ChainDocument> {
  const found: { readonly name: string; readonly value: string }[] = [];
  const prefix = slug
    .toUpperCase()
    .replaceAll(/[^A-Z0-9]/g, '_')
    .slice(0, 40);
  const cleaned = mapSteps(document, (step) => {
    if (!hasLiteralSecret(step)) return step;
    const name = `CHAIN_${prefix}_${randomBytes(4).toString('hex').toUpperCase()}`;
    found.push({ name, value: step.config.secret });
    return { ...step, config: { ...step.config, secret: `{{secret:${name}}}` } };
  });
  for (const { name, value } of found) await insertSecret(store, { workspaceId, name, value });
  return cleaned;
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
