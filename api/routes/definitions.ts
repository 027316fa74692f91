import { z } from 'zod';
import { Reply, route, type Frozen, type Route } from '../http/route.js';
import { JsonValue, Page, pageOf, Time } from '../http/schemas.js';
import type { Draft as DraftOf } from '../services/definitions.js';
import { documentKinds } from '../services/documents.js';
import {
  AnyPlan,
  etag,
  expectedRevision,
  JsonByName,
  LiveRuns,
  MoveOutcome,
  Problem,
  PublishBody,
  Published,
  publishRequest,
  RolledBack,
  RunChoice,
  Version,
  WholeVersion,
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

const Draft = z.object({ document: JsonValue, revision: z.number().int() }).meta({ id: 'Draft' });
const DraftBody = z
  .strictObject({
    document: JsonValue,
    revision: z.number().int().min(1).optional().meta({ description: 'As If-Match, which goes first' }),
  })
  .meta({ id: 'DraftInput', example: { document: { nodes: [], edges: [] } } });
const OptionalDocument = z.strictObject({ document: JsonValue.optional() }).prefault({});

const Compiled = z.object({ problems: z.array(Problem), plan: AnyPlan }).meta({ id: 'Compiled' });

const Change = z.object({ pointer: z.string(), from: JsonValue, to: JsonValue });
const ItemDiff = z.object({
  added: z.array(z.looseObject({ id: z.string() })),
  removed: z.array(z.looseObject({ id: z.string() })),
  changed: z.array(z.object({ id: z.string(), changes: z.array(Change) })),
});
const Diff = z.object({ nodes: ItemDiff, edges: ItemDiff, settings: z.array(Change) }).meta({ id: 'Diff' });

const Effect = z
  .object({
    run_id: z.string(),
    version_id: z.string(),
    version: z.number().int().nullable(),
    at: z.array(z.string()).meta({ description: 'Nodes it stands at' }),
    outcome: z.enum(['stays', 'can_move', 'cannot_move']),
    reasons: z.array(z.string()),
  })
  .meta({ id: 'PublishEffect' });
const Preview = z
  .object({
    ok: z.boolean(),
    problems: z.array(Problem),
    versions: z.array(LiveRuns),
    effects: z.array(Effect),
    more_runs: z.number().int(),
  })
  .meta({ id: 'PublishPreview' });

const VersionKey = z
  .union([z.number().int().min(1), z.string().min(1).max(100)])
  .transform(String)
  .meta({ description: 'Id or number of a version' });

const tagged = (draft: DraftOf): Reply<Frozen<z.input<typeof Draft>>> =>
  new Reply(draft, { headers: etag(draft.revision) });

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
      tagged(await definitions.draft({ workspaceId, definitionId: params.definition_id })),
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
      return tagged(await definitions.saveDraft(actor, params.definition_id, { document: body.document, expected }));
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

const versions: readonly Route[] = [
  route({
    ...definition,
    id: 'definitions.versions',
    method: 'GET',
    path: `${one}/versions`,
    summary: 'List published versions, the newest first',
    can: 'workflow.read',
    query: Page,
    reply: pageOf(Version),
    handle: async ({ actor: { workspaceId }, params, query }, { publishing }) => {
      const of = { workspaceId, definitionId: params.definition_id };
      return { ...(await publishing.versions(of, query)), ...query };
    },
  }),
  route({
    ...definition,
    id: 'definitions.version',
    method: 'GET',
    path: `${one}/versions/:version_id`,
    summary: 'Read a version, by id or number, with its document and plan',
    can: 'workflow.read',
    reply: WholeVersion,
    handle: ({ actor: { workspaceId }, params }, { publishing }) =>
      publishing.version({ workspaceId, definitionId: params.definition_id }, params.version_id),
  }),
  route({
    ...definition,
    id: 'definitions.restore',
    method: 'POST',
    path: `${one}/versions/:version_id/restore`,
    summary: 'Copy a version into the draft; what is live stays so',
    can: 'workflow.publish',
    audit: { entity },
    reply: Draft,
    handle: async ({ actor, params }, { definitions, publishing }) => {
      const { workspaceId } = actor;
      await publishing.restore(actor, params.definition_id, params.version_id);
      return tagged(await definitions.draft({ workspaceId, definitionId: params.definition_id }));
    },
  }),
  route({
    ...definition,
    id: 'definitions.rollback',
    method: 'POST',
    path: `${one}/rollback`,
    summary: 'Make an older version live again for new runs; the draft stays as it is',
    can: 'workflow.publish',
    audit: { entity },
    body: z.strictObject({ version: VersionKey }).meta({ id: 'RollbackInput', example: { version: 1 } }),
    reply: RolledBack,
    errors: { 409: 'The version was never published' },
    handle: ({ actor, params, body }, { publishing }) =>
      publishing.rollback(actor, params.definition_id, body.version),
  }),
];

const publishing: readonly Route[] = [
  route({
    ...definition,
    id: 'definitions.publish',
    method: 'POST',
    path: `${one}/publish`,
    summary: 'Make the draft the live version, and move open runs to it when asked',
    can: 'workflow.publish',
    audit: { entity },
    idempotent: true,
    body: PublishBody,
    reply: Published,
    errors: { 409: 'The draft changed meanwhile', 422: '`blockers` keep it from being published' },
    handle: ({ actor, params, body, seed }, services) =>
      services.publishing.publish(actor, params.definition_id, publishRequest(body, seed)),
  }),
  route({
    ...definition,
    id: 'definitions.preview',
    method: 'POST',
    path: `${one}/publish-preview`,
    summary: 'What publishing a document, or the draft, would mean for each open run',
    can: 'workflow.read',
    audit: false,
    body: OptionalDocument,
    reply: Preview,
    handle: ({ actor: { workspaceId }, params, body }, services) =>
      services.previewPublish({ workspaceId, definitionId: params.definition_id }, body.document),
  }),
  route({
    ...definition,
    id: 'definitions.move',
    method: 'POST',
    path: `${one}/move`,
    summary: 'Ask open runs to go on with another version; 200 at most, the newest first',
    can: 'workflow.publish',
    audit: { entity },
    idempotent: true,
    body: z
      .strictObject({ run_ids: RunChoice, version: VersionKey })
      .meta({ id: 'MoveInput', example: { run_ids: 'all', version: 2 } }),
    status: 202,
    reply: z.object({ version_id: z.string(), version: z.number().int().nullable(), moves: z.array(MoveOutcome) }),
    handle: ({ actor, params, body, seed }, services) =>
      services.publishing.move(actor, params.definition_id, { runIds: body.run_ids, version: body.version, seed }),
  }),
];

export const definitionRoutes: readonly Route[] = [...reading, ...drafts, ...versions, ...publishing];
