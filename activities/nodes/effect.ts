import type { ActivityKind } from '../../workflows/contract/activities.js';
import type { Json } from '../../workflows/definition/values.js';
import type { NodeAnswer, NodeContext, NodeDeps } from './context.js';
import type { UnknownPolicy } from './ledger.js';
import { reconciler } from './reconcile.js';
import { createRedactor, recordSecrets } from './redact.js';
import { createTemplates, type Templates } from './template.js';

/** What a node that acts on the outside works with: its templates, and what takes the secrets out that they used. */
export interface Desk {
  readonly templates: Templates;
  readonly redactText: (text: string) => string;
  readonly redactJson: (json: Json) => Json;
}

type DeskContext = Pick<NodeContext<ActivityKind>, 'node' | 'names' | 'secret' | 'idempotencyKey'>;

export function createDesk(context: DeskContext, names: Readonly<Record<string, Json>> = {}): Desk {
  const { secret, used } = recordSecrets(context.secret);
  const known = { ...context.names, idempotency_key: context.idempotencyKey, ...names };
  return {
    templates: createTemplates({ node: context.node, names: known, secret }),
    redactText: (text) => createRedactor(used).redactText(text),
    redactJson: (json) => createRedactor(used).redactJson(json),
  };
}

export interface PlannedEffect {
  readonly kind: string;
  /** For people: `POST https://api.example.com/charges`. */
  readonly what: string;
  /** Everything that is sent: its hash is kept, and a test run shows it. */
  readonly request: Json;
  readonly onUnknown: UnknownPolicy;
  readonly act: (idempotencyKey: string) => Promise<Json>;
}

/** Carries the effect out through the ledger, or in a test run says what it would have been. */
export async function carryOut(
  context: NodeContext<ActivityKind>,
  { egress }: Pick<NodeDeps, 'egress'>,
  { desk, effect }: { readonly desk: Desk; readonly effect: PlannedEffect },
): Promise<{ readonly receipt: Json } | { readonly stub: NodeAnswer }> {
  if (context.isStubbed) return { stub: stubAnswer(desk.redactJson(effect.request)) };
  const { onUnknown } = effect;
  const reconcile =
    onUnknown.action === 'reconcile'
      ? await reconciler({
          workspaceId: context.run.workspaceId,
          egress,
          desk,
          policy: onUnknown,
          signal: context.signal,
        })
      : undefined;
  return { receipt: await context.ledger.perform({ ...effect, reconcile }) };
}

/** What a node answers whose effect a test run leaves out. */
export const stubAnswer = (would: Json): NodeAnswer => ({ output: { stubbed: true, would } });

/** An address without what may be private in it. */
export function whereOf(url: string): string {
  if (!URL.canParse(url)) return 'an address';
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

/** The fields of a receipt; none of one that is no object. */
export const fieldsOf = (receipt: Json): Readonly<Record<string, Json>> =>
  receipt !== null && typeof receipt === 'object' && !isList(receipt) ? receipt : {};

const isList = (json: Json): json is readonly Json[] => Array.isArray(json);
