import type { z } from 'zod';
import type { Json } from '../../../../workflows/definition/values.js';

/** A request as its signature was made over it. */
export interface Delivery {
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly rawBody: Buffer;
  /** The whole address the provider called, query included; empty where nobody knows it. */
  readonly url: string;
}

export interface SchemeKey<S> {
  readonly secret: string;
  readonly settings: S;
}

/** What a request says that was proved to come from its provider. */
export interface Proof {
  /** The provider's id of the message: the same one is the same message. Null: it gives none. */
  readonly providerId: string | null;
  /** When it was signed, in seconds since 1970; null: the scheme does not say. */
  readonly signedAt: number | null;
  /** The answer to a question whether we are there: nothing is kept or started. */
  readonly challenge?: Readonly<Record<string, Json>>;
  /** Why there is nothing to do, as a sentence: it is kept and not processed. */
  readonly ignored?: string;
}

/** How one provider signs; pure. */
export interface Scheme<S> {
  /** What carries the proof, as the sentence of a 401 names it. */
  readonly carrier: (settings: S) => string;
  /** What the scheme needs to know besides the secret. */
  readonly settings: z.ZodType<S>;
  /** A new secret; null where only the provider can make one. */
  readonly newSecret: (() => string) | null;
  /** Why a secret cannot be one of this scheme, or null. */
  readonly secretProblem?: (secret: string) => string | null;
  /** Where a JSON body carries the secret itself, as dotted paths: runs do not get it, and nobody is shown it. */
  readonly secretFields?: readonly string[];
  /** Null: forged, altered or of somebody else. */
  readonly verify: (delivery: Delivery, key: SchemeKey<S>) => Proof | null;
}
