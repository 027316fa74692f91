import { randomBytes } from 'node:crypto';
import { mapSteps, type ChainDocument, type ChainStep } from '../../workflows/definition/chain.js';

export interface SecretVault {
  /** Creates the secret or gives it a new value. */
  readonly put: (workspaceId: string, name: string, value: string) => Promise<unknown>;
  /** The value, or null for a name the workspace does not hold. */
  readonly read: (workspaceId: string, name: string) => Promise<string | null>;
}

const REFERENCE = /^\{\{\s*secret:([A-Za-z_][A-Za-z0-9_]*)\s*\}\}$/;

/**
 * Moves secrets written into a document to the vault and leaves `{{secret:NAME}}` in their place: a document can then
 * be shown, copied and versioned without giving them away.
 */
export async function vaultSecrets(
  vault: SecretVault,
  workspaceId: string,
  { slug, document }: { readonly slug: string; readonly document: ChainDocument },
): Promise<ChainDocument> {
  const found: { readonly name: string; readonly value: string }[] = [];
  const prefix = slug.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_').slice(0, 40);
  const cleaned = mapSteps(document, (step) => {
    if (!hasLiteralSecret(step)) return step;
    const name = `CHAIN_${prefix}_${randomBytes(4).toString('hex').toUpperCase()}`;
    found.push({ name, value: step.config.secret });
    return { ...step, config: { ...step.config, secret: `{{secret:${name}}}` } };
  });
  for (const { name, value } of found) await vault.put(workspaceId, name, value);
  return cleaned;
}

type WithSecret = Extract<ChainStep, { kind: 'webhook' | 'notify' }> & { config: { secret: string } };

const hasLiteralSecret = (step: ChainStep): step is WithSecret =>
  (step.kind === 'webhook' || step.kind === 'notify') &&
  step.config.secret !== undefined &&
  step.config.secret !== '' &&
  !REFERENCE.test(step.config.secret);

/** The value of `{{secret:NAME}}`, or of a literal; null when the vault does not hold it. */
export async function openSecret(vault: SecretVault, workspaceId: string, text: string): Promise<string | null> {
  const name = REFERENCE.exec(text)?.[1];
  return name === undefined ? text : vault.read(workspaceId, name);
}
