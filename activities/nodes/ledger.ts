import { createHash } from 'node:crypto';
import {
  claimEffect,
  failEffect,
  reclaimEffect,
  settleEffect,
  type Claimed,
  type EffectClaim,
} from '../../db/effects.js';
import type { Database } from '../../db/client.js';
import { cleanJson } from '../../db/values.js';
import type { RunRef } from '../../workflows/contract/run.js';
import type { NodeConfigs } from '../../workflows/definition/plan.js';
import type { Json } from '../../workflows/definition/values.js';
import { Fault, NodeFailure } from './failure.js';
import type { Redactor } from './redact.js';

export type UnknownPolicy = NodeConfigs['http']['on_unknown'];

/** Chains published before this policy existed have none in their plans. */
export const unknownPolicyOf = (config: { readonly on_unknown?: UnknownPolicy }): UnknownPolicy =>
  config.on_unknown ?? { action: 'repeat' };

export interface Effect {
  /** Of several effects of one visit: `tool/2`. */
  readonly part?: string;
  readonly kind: string;
  /** For people: `POST https://api.example.com/charges`. */
  readonly what: string;
  /** What is sent; only its hash is kept. */
  readonly request: Json;
  readonly onUnknown: UnknownPolicy;
  /** Sends, and answers the receipt. Everything that can fail before something is sent belongs before it. */
  readonly act: (idempotencyKey: string) => Promise<Json>;
  /** Asks the provider: the receipt when it happened, null when it did not. */
  readonly reconcile?: ((idempotencyKey: string) => Promise<Json | null>) | undefined;
  /**
   * What a person's changes mean for a part whose request is another in a new round: `replaces` does it again (no
   * effect, only a checkpoint), `forks` is a new effect under a key of its own. Without it a receipt stays the answer.
   */
  readonly whenChanged?: 'replaces' | 'forks';
  /** Nothing is done on the strength of this receipt before the step ends: it may be written meanwhile. */
  readonly isLast?: (receipt: Json) => boolean;
}

export interface Ledger {
  readonly perform: (effect: Effect) => Promise<Json>;
  /** Resolves when every receipt is written: a step does not end before. */
  readonly written: () => Promise<void>;
}

export interface LedgerSource {
  readonly db: Database;
  readonly run: RunRef;
  readonly nodeId: string;
  /** `effectKey` of the visit. */
  readonly effectKey: string;
  readonly round: number;
  /** Somebody made sure that what an earlier round left unknown has not happened. */
  readonly isUndone: boolean;
  /** Takes out the secrets used so far. */
  readonly redactor: () => Redactor;
}

interface Entry {
  readonly effect: Effect;
  readonly claim: EffectClaim;
  /** Receipts under way. */
  readonly writing: Promise<void>[];
}

/** Carries out effects: claimed before, receipt after, never repeated blindly. */
export function createLedger(source: LedgerSource): Ledger {
  const writing: Promise<void>[] = [];
  return {
    perform: (effect) => {
      const key = effect.part === undefined ? source.effectKey : `${source.effectKey}/${effect.part}`;
      return perform(source, { effect, claim: claimOf(source, effect, key), writing });
    },
    written: async () => void (await Promise.all(writing)),
  };
}

function claimOf(source: LedgerSource, { kind, request }: Effect, key: string): EffectClaim {
  const { run, nodeId, round } = source;
  const text = JSON.stringify(source.redactor().redactJson(request));
  return { key, run, nodeId, kind, round, requestHash: createHash('sha256').update(text).digest('hex') };
}

async function perform(source: LedgerSource, entry: Entry): Promise<Json> {
  const { effect, claim } = entry;
  const found = await claimEffect(source.db, claim);
  if (found.state === 'claimed') return act(source, entry, found.claims);
  const isChanged = found.round < claim.round && found.requestHash !== claim.requestHash;
  if (isChanged && effect.whenChanged === 'forks') return perform(source, forked(entry));
  if (found.state === 'unknown') return afterUnknown(source, entry, found);
  if (!isChanged || effect.whenChanged !== 'replaces') return found.receipt;
  const claims = await reclaimEffect(source.db, claim, { status: 'done' });
  return claims === null ? perform(source, entry) : act(source, entry, claims);
}

const forked = ({ claim, ...entry }: Entry): Entry => ({
  ...entry,
  claim: { ...claim, key: `${claim.key}/r${claim.round}` },
});

type Unknown = Extract<Claimed, { readonly state: 'unknown' }>;

async function afterUnknown(source: LedgerSource, entry: Entry, found: Unknown): Promise<Json> {
  const { effect, claim } = entry;
  const isUndone = source.isUndone && found.round < claim.round;
  if (!isUndone) {
    if (found.round === claim.round && found.requestHash !== claim.requestHash && effect.kind !== 'llm')
      throw outcomeUnknown(effect, found.claimedAt, 'The step would now send something else under the same key.');
    if (effect.onUnknown.action === 'ask') throw outcomeUnknown(effect, found.claimedAt);
    if (effect.onUnknown.action === 'reconcile') {
      const receipt = await askProvider(source, entry);
      if (receipt !== null) return receipt;
    }
  }
  const claims = await reclaimEffect(source.db, claim, { status: 'claimed', claims: found.claims });
  return claims === null ? perform(source, entry) : act(source, entry, claims);
}

async function askProvider(source: LedgerSource, { effect, claim }: Entry): Promise<Json | null> {
  if (effect.reconcile === undefined) throw new TypeError(`${effect.kind} cannot ask its provider`);
  const answer = await effect.reconcile(claim.key);
  if (answer === null) return null;
  const receipt = storable(source, answer);
  await settleEffect(source.db, claim, receipt);
  return receipt;
}

async function act(source: LedgerSource, { effect, claim, writing }: Entry, claims: number): Promise<Json> {
  const sentAt = new Date();
  let answer: Json;
  try {
    answer = await effect.act(claim.key);
  } catch (error) {
    if (!(error instanceof NodeFailure)) throw error;
    if (error.isUnknown)
      throw effect.onUnknown.action === 'ask' ? outcomeUnknown(effect, sentAt, error.message) : error;
    const message = source.redactor().redactText(error.message).slice(0, 1_000);
    await failEffect(source.db, claim, { claims, error: { type: error.type, message } });
    throw error;
  }
  const receipt = storable(source, answer);
  const settled = settleEffect(source.db, claim, receipt);
  if (effect.isLast?.(receipt) !== true) await settled;
  else writing.push(settled);
  // whoever waits for it learns of it
  settled.catch(() => undefined);
  return receipt;
}

const storable = (source: LedgerSource, json: Json): Json => cleanJson(source.redactor().redactJson(json));

function outcomeUnknown({ what }: Effect, sentAt: Date, reason = 'Its answer was lost.'): NodeFailure {
  const message =
    `${what} was begun at ${sentAt.toISOString()} and nobody knows whether it happened. ${reason} ` +
    'Look there, then approve if it happened, or reject to do it again.';
  return new NodeFailure(Fault.outcomeUnknown, message, { retryable: false, isUnknown: true });
}
