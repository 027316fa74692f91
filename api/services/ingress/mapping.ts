import type { IngressMessage } from '../../../db/ingress-messages.js';
import type { DeliverySource } from '../../../db/ingress-sources.js';
import {
  ExpressionError,
  mappingProblem,
  renderTemplate,
  resolveMapping,
  templateProblem,
} from '../../../workflows/definition/expressions.js';
import type { Json } from '../../../workflows/definition/values.js';
import { conflict, type ErrorDetail } from '../../http/errors.js';
import { valueOf, without } from './content.js';
import { schemes, type Provider } from './schemes/index.js';

/** What a source's templates and expressions read, beside `input`, which holds all of them. */
export const mappingNames = ['body', 'headers', 'query', 'source', 'received_at', 'message_id', 'provider_id'] as const;

export type MappedMessage = Pick<IngressMessage, 'id' | 'provider_id' | 'received_at' | 'headers' | 'query'> & {
  readonly body: Buffer;
  readonly content_type: string;
};

export type MappedSource = Pick<DeliverySource, 'id' | 'name' | 'slug' | 'provider' | 'target' | 'input'>;

/** What is to be done for a message. */
export type Planned =
  | { readonly definition: string; readonly input: Json }
  | { readonly event: { readonly name: string; readonly key: string | null }; readonly payload: Json };

/** Throws a refusal with a sentence where the body or a template cannot be used. */
export function planOf(message: MappedMessage, source: MappedSource): Planned {
  const whole = wholeOf(message, source);
  const names = { ...whole, input: whole };
  const { target, input: mapping } = source;
  const value = mapping === null ? whole : expressed('input', () => resolveMapping(mapping, names));
  if ('definition' in target) return { definition: target.definition, input: value };
  const { name, key: template } = target.event;
  const key = template === null ? null : expressed('target.event.key', () => renderTemplate(template, names));
  if (key !== null && key.length > MOST_KEY_CHARACTERS)
    throw conflict(`target.event.key: it gives ${key.length} characters; at most ${MOST_KEY_CHARACTERS} are a key.`);
  return { event: { name, key: key === '' ? null : key }, payload: value };
}

const MOST_KEY_CHARACTERS = 500;

function wholeOf(message: MappedMessage, { id, name, slug, provider }: MappedSource): Readonly<Record<string, Json>> {
  const { body, content_type: contentType } = message;
  // -- reason: checked when the source was written
  const { secretFields = [] } = schemes[provider as Provider];
  return {
    body: without(valueOf({ contentType, body }), secretFields),
    headers: message.headers,
    query: message.query,
    source: { id, name, slug, provider },
    received_at: message.received_at.toISOString(),
    message_id: message.id,
    provider_id: message.provider_id,
  };
}

function expressed<T>(field: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    throw conflict(`${field}: ${error.message}`);
  }
}

/** What keeps a mapping and a key from being used at all. */
export function mappingProblems(input: Json, key: string | null): readonly ErrorDetail[] {
  const ofInput = mappingProblem(input, mappingNames);
  const ofKey = key === null ? null : templateProblem(key);
  return [
    ...(ofInput === null ? [] : [{ field: 'input', message: ofInput }]),
    ...(ofKey === null ? [] : [{ field: 'target.event.key', message: ofKey }]),
  ];
}
