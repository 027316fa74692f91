import { z } from 'zod';
import { route, type Route } from '../http/route.js';
import { JsonValue, Time } from '../http/schemas.js';
import { documentKinds } from '../services/documents.js';
import {
  AnyPlan,
  Draft,
  expectedRevision,
  JsonByName,
  OptionalDocument,
  Problem,
  taggedDraft,
} from './definition-schemas.js';

const definition = { tag: 'definitions', auth: 'member' } as const;
const one = '/v1/definitions/:definition_id' as const;
const entity = 'definition';

const Kind = z.enum(documentKinds).meta({ id: 'DefinitionKind' });

const Definition = z
  .object({
    id: z.string(),
    kind: Kind,
    slug: z.string(),
    name: z.string(),
    description: z.string(),
    folder: z.string(),
    status: z.string(),
    draft_revision: z.number().int(),
    has_unpublished_changes: z.boolean(),
    live_version: z
      .object({ id: z.string(), number: z.number().int().nullable(), published_at: Time.nullable() })
      .nullable(),
    open_runs: z.number().int(),
    created_at: Time,
    updated_at: Time,
  })
  .meta({ id: 'Definition' });

const DefinitionQuery = z.object({
  kind: Kind.optional(),
  folder: z.string().max(300).optional().meta({ description: 'In it and below' }),
  q: z.string().max(200).optional().meta({ description: 'Part of a name, slug or description' }),
  limit: z.coerce.number().int().min(1).max(100).default(50),
  cursor: z.string().max(100).optional().meta({ description: '`next_cursor` of the page before' }),
});

const DraftBody = z
  .strictObject({
    document: JsonValue,
    revision: z.number().int().min(1).optional().meta({ description: 'As If-Match, which goes first' }),
  })
  .meta({ id: 'DraftInput', example: { document: { nodes: [], edges: [] } } });

const Compiled = z.object({ problems: z.array(Problem), plan: AnyPlan }).meta({ id: 'Compiled' });

const Change = z.object({ pointer: z.string(), from: JsonValue, to: JsonValue });
const ItemDiff = z.object({
  added: z.array(z.looseObject({ id: z.string() })),
  removed: z.array(z.looseObject({ id: z.string() })),
  changed: z.array(z.object({ id: z.string(), changes: z.array(Change) })),
});
const Diff = z.object({ nodes: ItemDiff, edges: ItemDiff, settings: z.array(Change) }).meta({ id: 'Diff' });

const reading: readonly Route[] = [
  route({
    ...definition,
    id: 'definitions.list',
    method: 'GET',
    path: '/v1/definitions',
    summary: 'List definitions of every kind, the newest first',
    can: 'workflow.read',
    query: DefinitionQuery,
    reply: z.object({ items: z.array(Definition), next_cursor: z.string().nullable() }),
    handle: ({ actor, query }, { definitions }) => definitions.list(actor.workspaceId, query),
  }),
  route({
    ...definition,
    id: 'definitions.get',
    method: 'GET',
    path: one,
    summary: 'Read what is known of a definition',
    can: 'workflow.read',
    reply: Definition,
    handle: ({ actor: { workspaceId }, params }, { definitions }) =>
      definitions.get({ workspaceId, definitionId: params.definition_id }),
  }),
  route({
    ...definition,
    id: 'definitions.diff',
    method: 'GET',
    path: `${one}/diff`,
    summary: 'What differs between two versions, or a version and the draft',
    can: 'workflow.read',
    query: z.object({
      from: z.string().max(100).optional().meta({ description: 'Id or number; the live version without it' }),
      to: z.string().max(100).optional().meta({ description: 'Id, number or `draft`; the draft without it' }),
    }),
    reply: Diff,
    handle: ({ actor: { workspaceId }, params, query: { from, to } }, { definitions }) =>
      definitions.diff(
        { workspaceId, definitionId: params.definition_id },
        { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) },
      ),
  }),
];

const drafts: readonly Route[] = [
  route({
    ...definition,
    id: 'definitions.draft',
    method: 'GET',
    path: `${one}/draft`,
    summary: 'Read the draft; its ETag is its revision',
    can: 'workflow.read',
    reply: Draft,
    handle: async ({ actor: { workspaceId }, params }, { definitions }) =>
      taggedDraft(await definitions.draft({ workspaceId, definitionId: params.definition_id })),
  }),
  route({
    ...definition,
    id: 'definitions.saveDraft',
    method: 'PUT',
    path: `${one}/draft`,
    summary: 'Replace the draft; with If-Match only the revision it names',
    can: 'workflow.write',
    audit: { entity },
    body: DraftBody,
    reply: Draft,
    errors: { 409: 'Somebody else saved it: `current_revision`, `base` and `current` help to merge' },
    handle: async ({ actor, params, body, headers }, { definitions }) => {
      const expected = expectedRevision(headers['if-match'], body.revision);
      return taggedDraft(
        await definitions.saveDraft(actor, params.definition_id, { document: body.document, expected }),
      );
    },
  }),
  route({
    ...definition,
    id: 'definitions.compile',
    method: 'POST',
    path: `${one}/compile`,
    summary: 'Say what is wrong with a document, or the draft, and what it compiles to; saves nothing',
    can: 'workflow.read',
    audit: false,
    body: OptionalDocument,
    reply: Compiled,
    handle: ({ actor: { workspaceId }, params, body }, { definitions }) =>
      definitions.compile({ workspaceId, definitionId: params.definition_id }, body.document),
  }),
  route({
    ...definition,
    id: 'definitions.pins',
    method: 'GET',
    path: `${one}/pins`,
    summary: 'Results that test runs give to nodes instead of executing them, by node id',
    can: 'workflow.read',
    reply: JsonByName,
    handle: ({ actor: { workspaceId }, params }, { definitions }) =>
      definitions.pins({ workspaceId, definitionId: params.definition_id }),
  }),
  route({
    ...definition,
    id: 'definitions.setPins',
    method: 'PUT',
    path: `${one}/pins`,
    summary: 'Replace the pinned results',
    can: 'workflow.write',
    audit: { entity },
    body: JsonByName.meta({ id: 'Pins', example: { find_order: { total: 12 } } }),
    reply: JsonByName,
    handle: ({ actor: { workspaceId }, params, body }, { definitions }) =>
      definitions.setPins({ workspaceId, definitionId: params.definition_id }, body),
  }),
];

export const definitionRoutes: readonly Route[] = [...reading, ...drafts];
