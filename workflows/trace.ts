import { defaultPayloadConverter, type Headers } from '@temporalio/common';
import {
  proxySinks,
  workflowInfo,
  type Sinks,
  type WorkflowInboundCallsInterceptor,
  type WorkflowInterceptors,
  type WorkflowOutboundCallsInterceptor,
} from '@temporalio/workflow';

/**
 * Hands the trace of whoever started or spoke to a run on to what the run does. Nothing here waits or changes the order
 * of what the workflow does, so that tracing may be turned on and off under runs that are open.
 */

const HEADER = '_tracer-data';

/** A span of W3C trace context: ids in lower-case hexadecimal. */
export interface SpanPlace {
  readonly traceId: string;
  readonly spanId: string;
  readonly flags: number;
}

/** One execution of a workflow, as a span; times in epoch milliseconds. */
export interface WorkflowSpan extends SpanPlace {
  readonly parentSpanId: string;
  readonly name: string;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly error: string | null;
}

export interface TraceSinks extends Sinks {
  readonly trace: { readonly ended: (span: WorkflowSpan) => void };
}

function placeIn(headers: Headers): SpanPlace | null {
  const payload = headers[HEADER];
  if (payload === undefined) return null;
  const carrier = defaultPayloadConverter.fromPayload<{ readonly traceparent?: string } | null>(payload);
  const [, traceId, spanId, flags] =
    /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(carrier?.traceparent ?? '') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return null;
  return { traceId, spanId, flags: Number.parseInt(flags, 16) };
}

function headersOf(headers: Headers, place: SpanPlace | null): Headers {
  if (place === null) return headers;
  const flags = place.flags.toString(16).padStart(2, '0');
  const traceparent = `00-${place.traceId}-${place.spanId}-${flags}`;
  return { ...headers, [HEADER]: defaultPayloadConverter.toPayload({ traceparent }) };
}

/** The same at every replay: a part of the execution's own random id. */
const ownSpanId = (): string => workflowInfo().runId.replaceAll('-', '').slice(0, 16);

export function interceptors(): WorkflowInterceptors {
  const { trace } = proxySinks<TraceSinks>();
  const given: { start: SpanPlace | null; now: SpanPlace | null } = { start: null, now: null };
  const end = (parent: SpanPlace, error: string | null): void =>
    trace.ended({
      ...{ traceId: parent.traceId, flags: parent.flags, spanId: ownSpanId(), parentSpanId: parent.spanId },
      name: `RunWorkflow:${workflowInfo().workflowType}`,
      ...{ startedAt: workflowInfo().startTime.getTime(), endedAt: Date.now(), error },
    });
  /** What is done after somebody spoke to the run belongs to their trace. */
  const hear = (headers: Headers): void => {
    given.now = placeIn(headers) ?? given.now;
  };
  const inbound: WorkflowInboundCallsInterceptor = {
    execute(input, next) {
      const parent = placeIn(input.headers);
      given.start = parent;
      given.now ??= parent === null ? null : { ...parent, spanId: ownSpanId() };
      const result = next(input);
      if (parent === null) return result;
      result.then(
        () => end(parent, null),
        (error: unknown) => end(parent, isMove(error) ? null : messageOf(error)),
      );
      return result;
    },
    handleUpdate(input, next) {
      hear(input.headers);
      return next(input);
    },
    handleSignal(input, next) {
      hear(input.headers);
      return next(input);
    },
  };
  return { inbound: [inbound], outbound: [outbound(given)] };
}

const isMove = (error: unknown): boolean => error instanceof Error && error.name === 'ContinueAsNew';
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).slice(0, 500);

type Given = { readonly start: SpanPlace | null; readonly now: SpanPlace | null };

function outbound(given: Given): WorkflowOutboundCallsInterceptor {
  const pass =
    <I extends { readonly headers: Headers }, R>(place: () => SpanPlace | null) =>
    (input: I, next: (input: I) => R): R =>
      next({ ...input, headers: headersOf(input.headers, place()) });
  const now = (): SpanPlace | null => given.now;
  return {
    scheduleActivity: pass(now),
    scheduleLocalActivity: pass(now),
    startChildWorkflowExecution: pass(now),
    signalWorkflow: pass(now),
    // every execution of a run hangs below what started the run
    continueAsNew: pass(() => given.start),
  };
}
