import { z } from 'zod';
import { badRequest } from '../http/errors.js';
import { route, type Route } from '../http/route.js';
import { JsonValue, Time } from '../http/schemas.js';

const Approval = z
  .object({
    id: z.string(),
    workspace_id: z.string(),
    run_id: z.string(),
    task_id: z.string().nullable(),
    action: z.string(),
    reason: z.string().nullable(),
    assignee: z.string().nullable(),
    context: JsonValue,
    options: JsonValue,
    status: z.enum(['pending', 'approved', 'denied']),
    decided_by: z.string().nullable(),
    decided_at: Time.nullable(),
    note: z.string().nullable(),
    expires_at: Time.nullable(),
    created_at: Time,
  })
  .meta({ id: 'Approval' });

const PendingApproval = Approval.extend({ workspace_name: z.string() }).meta({ id: 'PendingApproval' });

const MAX_EXPIRY_SECONDS = 400 * 86_400;

const NewApproval = z
  .object({
    action: z.string('action is required').trim().min(1, 'action is required').max(5_000),
    reason: z.string().max(5_000).nullish(),
    context: JsonValue.optional(),
    metadata: JsonValue.optional().meta({ description: 'The same as context' }),
    options: JsonValue.optional(),
    task_id: z.string().max(200).nullish(),
    expires_in: z
      .number()
      .int()
      .min(1)
      .max(MAX_EXPIRY_SECONDS)
      .nullish()
      .meta({ description: 'Seconds until it is denied by itself; never without it' }),
  })
  .meta({ id: 'NewApproval', example: { action: 'Delete the staging database', reason: 'cost', expires_in: 3600 } });

const words: Readonly<Record<string, 'approve' | 'reject'>> = {
  approve: 'approve',
  approved: 'approve',
  reject: 'reject',
  rejected: 'reject',
  deny: 'reject',
  denied: 'reject',
};

const Decision = z
  .object({
    decision: z.string('decision is required: approve or reject').meta({ description: 'approve or reject' }),
    decided_by: z.string().trim().min(1).max(200).default('human'),
    note: z.string().max(5_000).optional(),
  })
  .meta({ id: 'ApprovalDecision', example: { decision: 'approve', decided_by: 'ana@example.com' } });

function decisionOf(word: string): 'approve' | 'reject' {
  const decision = words[word.toLowerCase()];
  if (decision === undefined) throw badRequest(`decision must be approve or reject, not "${word}".`, 'decision');
  return decision;
}

const at = '/workspaces/:id/approvals' as const;

export const approvalRoutes: readonly Route[] = [
  route({
    id: 'approvals.create',
    method: 'POST',
    path: at,
    tag: 'approvals',
    summary: 'Ask a person to approve something',
    auth: 'workspace',
    can: 'approval.write',
    audit: false,
    idempotent: true,
    invalidStatus: 400,
    body: NewApproval,
    status: 201,
    reply: z.object({ id: z.string(), approval_id: z.string(), status: z.literal('pending') }),
    handle: async ({ actor, body, seed }, { approvals }) => {
      const { id } = await approvals.create(actor, seed, {
        action: body.action,
        reason: body.reason ?? null,
        context: body.context ?? body.metadata ?? {},
        options: body.options ?? null,
        taskId: body.task_id ?? null,
        expiresInSeconds: body.expires_in ?? null,
      });
      return { id, approval_id: id, status: 'pending' as const };
    },
  }),
  route({
    id: 'approvals.list',
    method: 'GET',
    path: at,
    tag: 'approvals',
    summary: 'The newest 50 approvals of a workspace',
    auth: 'workspace',
    can: 'approval.read',
    reply: z.array(Approval),
    handle: ({ actor }, { approvals }) => approvals.list(actor.workspaceId),
  }),
  route({
    id: 'approvals.decide',
    method: 'POST',
    path: `${at}/:approvalId/decide`,
    tag: 'approvals',
    summary: 'Approve or reject; the first decision stands',
    auth: 'workspace',
    can: 'approval.write',
    audit: false,
    idempotent: true,
    invalidStatus: 400,
    body: Decision,
    reply: z.object({ status: z.enum(['approved', 'denied', 'rejected']), approval_id: z.string() }),
    errors: { 404: 'Unknown or already decided' },
    handle: async ({ actor, params, body, seed }, { approvals }) => {
      const decision = decisionOf(body.decision);
      await approvals.decide({
        actor,
        approvalId: params.approvalId,
        decision,
        by: body.decided_by,
        note: body.note ?? null,
        seed,
      });
      const denied = body.decision.toLowerCase().startsWith('reject') ? 'rejected' : 'denied';
      const status = decision === 'approve' ? 'approved' : denied;
      return { status, approval_id: params.approvalId } as const;
    },
  }),
  route({
    id: 'approvals.pending',
    method: 'GET',
    path: '/approvals/pending',
    tag: 'approvals',
    summary: 'All pending approvals of the workspaces the caller sees, newest first',
    auth: 'user',
    reply: z.array(PendingApproval),
    handle: ({ actor }, { approvals }) => approvals.pending(actor),
  }),
];
