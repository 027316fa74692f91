import type { SecretStore } from '../../db/secrets.js';
import type { ChainDocument } from '../../workflows/definition/chain.js';
import type { Json } from '../../workflows/definition/values.js';
import { vaultLiterals, vaultSecrets } from './chain-secrets.js';
import type { DocumentKind } from './documents.js';

export interface SecretChange {
  readonly workspaceId: string;
  readonly kind: DocumentKind;
  readonly slug: string;
  readonly document: Json;
  /** What the document was before: secrets it kept keep their names. */
  readonly previous?: Json | undefined;
}

/** Moves signing keys written into a document to the vault; `{{secret:NAME}}` takes their place. */
export const vaultDocument = (store: SecretStore, change: SecretChange): Promise<Json> =>
  vaults[change.kind](store, change);

const vaults: Readonly<Record<DocumentKind, (store: SecretStore, change: SecretChange) => Promise<Json>>> = {
  // it names agents only
  agent_dag: (_, { document }) => Promise.resolve(document),
  chain: async (store, { workspaceId, slug, document, previous }) => {
    // -- reason: the chain dialect parsed both
    const of = { slug, document: document as unknown as ChainDocument };
    const before = previous === undefined ? {} : { previous: previous as unknown as ChainDocument };
    return (await vaultSecrets(store, workspaceId, { ...of, ...before })) as unknown as Json;
  },
  workflow: async (store, { workspaceId, slug, document, previous }) => {
    const names = await vaultLiterals(store, workspaceId, {
      prefix: `WORKFLOW_${slug}`,
      texts: nodesOf(document).map(secretOf),
      previous: nodesOf(previous ?? null).map(secretOf),
    });
    if (names.size === 0 || !isObject(document)) return document;
    return { ...document, nodes: nodesOf(document).map((node) => withReference(node, names)) };
  },
};

type JsonObject = Readonly<Record<string, Json>>;

const isObject = (json: Json | undefined): json is JsonObject =>
  typeof json === 'object' && json !== null && !Array.isArray(json);

function nodesOf(document: Json): readonly Json[] {
  const nodes = isObject(document) ? document['nodes'] : undefined;
  return Array.isArray(nodes) ? (nodes as readonly Json[]) : [];
}

function secretOf(node: Json): string | undefined {
  const config = isObject(node) ? node['config'] : undefined;
  const secret = isObject(config) ? config['secret'] : undefined;
  return typeof secret === 'string' ? secret : undefined;
}

function withReference(node: Json, names: ReadonlyMap<string, string>): Json {
  const reference = names.get(secretOf(node) ?? '');
  if (reference === undefined || !isObject(node) || !isObject(node['config'])) return node;
  return { ...node, config: { ...node['config'], secret: reference } };
}
