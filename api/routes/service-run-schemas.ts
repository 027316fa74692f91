import { z } from 'zod';
import { JsonValue, Time } from '../http/schemas.js';
import { stagedStatuses } from '../services/staged/cursor.js';
import { eventKinds } from '../services/staged/story.js';

/** Runs of staged workflows as the Service surface spells them. */

const Schema = z.record(z.string(), JsonValue).nullable();

const LocationHint = z
  .object({
    city: z.string().max(200).nullish(),
    region: z.string().max(200).nullish(),
    country: z.string().max(200).nullish(),
    timezone: z.string().max(100).nullish(),
  })
  .meta({ id: 'LocationHint' });

export const WorkflowRunRequestBody = z
  .object({
    message: z.string(),
    conversation_id: z
      .string()
      .trim()
      .min(1)
      .max(200)
      .nullish()
      .meta({ description: 'Runs of one conversation share it; a new one is made without it' }),
    location: LocationHint.nullish(),
    share_location: z.boolean().nullish().meta({ description: 'The agents see the location only when this is true' }),
  })
  .meta({ id: 'WorkflowRunRequestBody', example: { message: 'What do these sales figures say? 3, 5, 9' } });

const WorkflowStepResult = z
  .object({
    name: z.string(),
    agent_key: z.string(),
    response_text: z.string().nullable(),
    structured_output: JsonValue.nullable(),
    response_id: z.string().nullable(),
    stage_name: z.string().nullable(),
    parallel_group: z.string().nullable(),
    branch_index: z.number().int().nullable(),
    output_schema: Schema,
  })
  .meta({ id: 'WorkflowStepResultSchema' });

export const WorkflowRunResponse = z
  .object({
    workflow_key: z.string(),
    workflow_run_id: z.string(),
    conversation_id: z.string(),
    steps: z.array(WorkflowStepResult),
    final_output: JsonValue.nullable(),
    output_schema: Schema,
  })
  .meta({ id: 'WorkflowRunResponse' });

const WorkflowRunListItem = z
  .object({
    workflow_run_id: z.string(),
    workflow_key: z.string(),
    status: z.enum(stagedStatuses),
    started_at: Time,
    ended_at: Time.nullable(),
    user_id: z.string(),
    conversation_id: z.string().nullable(),
    step_count: z.number().int(),
    duration_ms: z.number().int().nullable(),
    final_output_text: z.string().nullable(),
  })
  .meta({ id: 'WorkflowRunListItem' });

export const WorkflowRunListResponse = z
  .object({ items: z.array(WorkflowRunListItem), next_cursor: z.string().nullable() })
  .meta({ id: 'WorkflowRunListResponse' });

export const WorkflowRunDetail = z
  .object({
    workflow_key: z.string(),
    workflow_run_id: z.string(),
    tenant_id: z.string(),
    user_id: z.string(),
    status: z.enum(stagedStatuses),
    started_at: Time,
    ended_at: Time.nullable(),
    final_output_text: z.string().nullable(),
    final_output_structured: JsonValue.nullable(),
    request_message: z.string().nullable(),
    conversation_id: z.string().nullable(),
    output_schema: Schema,
    steps: z.array(WorkflowStepResult),
  })
  .meta({ id: 'WorkflowRunDetail' });

const text = z.string().nullish();

export const StreamingWorkflowEvent = z
  .object({
    kind: z.enum(eventKinds),
    workflow_key: z.string(),
    workflow_run_id: text,
    server_timestamp: text,
    step_name: text,
    step_agent: text,
    stage_name: text,
    parallel_group: text,
    branch_index: z.number().int().nullish(),
    conversation_id: text,
    agent_used: text,
    response_id: text,
    sequence_number: z.number().int().nullish(),
    raw_type: text,
    run_item_name: text,
    run_item_type: text,
    tool_call_id: text,
    tool_name: text,
    agent: text,
    new_agent: text,
    text_delta: text,
    reasoning_delta: text,
    response_text: text,
    structured_output: JsonValue.optional(),
    is_terminal: z.boolean(),
    event: text,
    payload: z.record(z.string(), JsonValue).nullish(),
    attachments: z.array(z.record(z.string(), JsonValue)).nullish(),
  })
  .meta({ id: 'StreamingWorkflowEvent' });
