import { z } from 'zod';
import { route, type Route } from '../http/route.js';
import { Page, pageOf } from '../http/schemas.js';
import {
  LiveRuns,
  MoveOutcome,
  OptionalDocument,
  Problem,
  PublishBody,
  Published,
  publishRequest,
  RolledBack,
  RunChoice,
  taggedDraft,
  Draft,
  ValidateBody,
  Validation,
  Version,
  WholeVersion,
} from './definition-schemas.js';

const definition = { tag: 'definitions', auth: 'member' } as const;
const one = '/v1/definitions/:definition_id' as const;
const entity = 'definition';

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
      return taggedDraft(await definitions.draft({ workspaceId, definitionId: params.definition_id }));
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
    handle: ({ actor, params, body }, { publishing }) => publishing.rollback(actor, params.definition_id, body.version),
  }),
];

const publishing: readonly Route[] = [
  route({
    ...definition,
    id: 'definitions.validate',
    method: 'POST',
    path: `${one}/validate-publish`,
    summary: 'Say what keeps the draft from being published, and which ended runs it would lead elsewhere',
    can: 'workflow.read',
    audit: false,
    body: ValidateBody,
    reply: Validation,
    handle: ({ actor: { workspaceId }, params, body }, services) =>
      services.publishing.validate({ workspaceId, definitionId: params.definition_id }, body.replay ?? null),
  }),
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

export const definitionVersionRoutes: readonly Route[] = [...versions, ...publishing];
